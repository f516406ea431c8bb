"""`app migrate`."""

import asyncio
import sys
from collections.abc import Callable
from typing import Annotated, Final

import typer

from app.cli.console import owner_settings
from app.cli.failures import Refused
from app.cli.migration import TreeChoice
from app.core.db.migrations import TreeName
from app.core.db.owner import OwnerDatabase
from app.core.settings import DatabaseSettings
from app.services.migration_service import MigrationService

commands: Final = typer.Typer(add_completion=False)


@commands.command()
def migrate(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before something drops.")] = False,
    allow_failed_tenants: Annotated[
        bool, typer.Option("--allow-failed-tenants", help="Exit with 0 although tenants failed.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is to be migrated, or to be written.")
    ] = False,
    undo: Annotated[
        TreeChoice | None, typer.Option(help="Take your newest migration of a tree back instead.")
    ] = None,
) -> None:
    """Bring the public schema and every tenant to the newest migrations."""
    settings = owner_settings()
    # A deployment has nobody to ask: there, what drops is told.
    asks = settings.environment == "dev" and not yes
    if check:
        asyncio.run(_check(settings.database))
        return
    if undo is not None:
        if settings.environment != "dev":
            raise Refused("Only where ENVIRONMENT=dev: in production go forward.")
        if asks and not _person_agrees():
            raise Refused("Nothing was done, as nobody has agreed. With --yes nobody is asked.")
        asyncio.run(_undo(settings.database, undo.value))
        return
    failed = asyncio.run(_migrate(settings.database, _person_agrees if asks else _agreed))
    if failed:
        sentence = f"Not migrated: {', '.join(failed)}. Remove the cause and run this again."
        if not allow_failed_tenants:
            raise Refused(sentence)
        typer.echo(sentence, err=True)


def _agreed() -> bool:
    return True


def _person_agrees() -> bool:
    return sys.stdin.isatty() and typer.confirm("Go on?")


async def _check(settings: DatabaseSettings) -> None:
    async with OwnerDatabase(settings) as owner:
        await MigrationService(owner, settings, typer.echo).check()


async def _undo(settings: DatabaseSettings, tree: TreeName) -> None:
    async with OwnerDatabase(settings) as owner:
        await MigrationService(owner, settings, typer.echo).undo(tree)


async def _migrate(settings: DatabaseSettings, agrees: Callable[[], bool]) -> list[str]:
    async with OwnerDatabase(settings) as owner:
        return await MigrationService(owner, settings, typer.echo).migrate(agrees)
