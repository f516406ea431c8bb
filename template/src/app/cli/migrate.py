"""`app migrate`."""

import asyncio
import sys
from collections.abc import Callable
from typing import Annotated, Final

import typer

from app.cli.console import owner_settings
from app.cli.failures import Refused
from app.core.db.owner import OwnerDatabase
from app.core.settings import DatabaseSettings
from app.services.migration_service import MigrationService

commands: Final = typer.Typer(add_completion=False)


@commands.command()
def migrate(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before something drops.")] = False,
) -> None:
    """Bring the public schema and every tenant to the newest migrations."""
    settings = owner_settings()
    # A deployment has nobody to ask: there, what drops is told.
    asks = settings.environment == "dev" and not yes
    failed = asyncio.run(_migrate(settings.database, _person_agrees if asks else lambda: True))
    if failed:
        raise Refused(f"Not migrated: {', '.join(failed)}. Mend the cause and run this again.")


def _person_agrees() -> bool:
    return sys.stdin.isatty() and typer.confirm("Go on?")


async def _migrate(settings: DatabaseSettings, agrees: Callable[[], bool]) -> list[str]:
    async with OwnerDatabase(settings) as owner:
        return await MigrationService(owner, settings, typer.echo).migrate(agrees)
