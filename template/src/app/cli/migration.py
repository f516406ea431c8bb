"""`app migration`."""

import asyncio
import subprocess
import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from app.cli.console import owner_settings
from app.core.db.migrations import TreeName
from app.core.db.owner import OwnerDatabase
from app.core.settings import DatabaseSettings
from app.services.migration_service import MigrationService

commands: Final = typer.Typer(add_completion=False)


class TreeChoice(StrEnum):
    """The two sets of migrations."""

    PUBLIC = "public"
    TENANT = "tenant"


@commands.command()
def migration(
    message: Annotated[str, typer.Option("--message", "-m", help="What it does.")],
    tree: Annotated[TreeChoice, typer.Option(help="Which tables it changes.")] = TreeChoice.TENANT,
    empty: Annotated[bool, typer.Option("--empty", help="For data, without a change.")] = False,
) -> None:
    """Write a migration of your branch: what the models have and the migrations lack."""
    settings = owner_settings().database
    path = asyncio.run(_write(settings, tree.value, message, empty=empty))
    if find_spec("ruff") is not None:
        # Formatted as `make lint` wants it.
        command = [sys.executable, "-m", "ruff", "format", "--quiet", str(path)]
        subprocess.run(command, check=False)  # noqa: S603  the interpreter that runs this
    typer.echo(f"Written: {path}. Read it before you run `app migrate`.")


async def _write(settings: DatabaseSettings, tree: TreeName, message: str, *, empty: bool) -> Path:
    async with OwnerDatabase(settings) as owner:
        service = MigrationService(owner, settings, typer.echo)
        return await service.write(tree, message, empty=empty)
