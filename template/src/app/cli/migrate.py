"""`app migrate`."""

import asyncio
from typing import Final

import typer

from app.cli.console import owner_settings
from app.cli.failures import Refused
from app.core.db.owner import OwnerDatabase
from app.core.settings import DatabaseSettings
from app.services.migration_service import MigrationService

commands: Final = typer.Typer(add_completion=False)


@commands.command()
def migrate() -> None:
    """Bring the public schema and every tenant to the newest migrations."""
    failed = asyncio.run(_migrate(owner_settings().database))
    if failed:
        raise Refused(f"Not migrated: {', '.join(failed)}. Mend the cause and run this again.")


async def _migrate(settings: DatabaseSettings) -> list[str]:
    async with OwnerDatabase(settings) as owner:
        return await MigrationService(owner, settings, typer.echo).migrate()
