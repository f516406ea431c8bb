"""`app seed`."""

import asyncio
from typing import Final

import typer

from app.cli.console import owner_settings
from app.cli.failures import Refused
from app.core.security.passwords import Passwords
from app.core.settings import Settings
from app.services.background_work import BackgroundWork
from app.services.samples import SAMPLES, SUPERUSER
from app.services.seeding import Seeding

commands: Final = typer.Typer()


@commands.command()
def seed() -> None:
    """Add the tenants acme and globex with users and projects; their password is DEV__SEED_PASSWORD."""
    settings = owner_settings()
    if settings.environment == "production":
        raise Refused(
            "`app seed` makes users with a known password: not with ENVIRONMENT=production."
        )
    if settings.dev.seed_password is None:
        raise Refused(
            "DEV__SEED_PASSWORD is not set; it becomes the password of every seeded user."
        )
    asyncio.run(_seed(settings, settings.dev.seed_password.get_secret_value()))
    for sample in SAMPLES:
        typer.echo(f"{sample.slug}: {', '.join((sample.owner, *sample.members))}")
    typer.echo(f"superuser: {SUPERUSER}")


async def _seed(settings: Settings, password: str) -> None:
    work, passwords = BackgroundWork.build(settings), Passwords(settings.auth)
    try:
        await Seeding(work, passwords).run(password)
    finally:
        passwords.close()
        await work.close()
