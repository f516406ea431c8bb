"""`app bootstrap`."""

import asyncio
from typing import Final

import typer

from app.cli.console import owner_settings
from app.core.db.bootstrap import prepare
from app.core.settings import SettingsError

commands: Final = typer.Typer(add_completion=False)


@commands.command()
def bootstrap() -> None:
    """Create the roles, the database and the extensions, as an administrator."""
    settings = owner_settings().database
    if settings.admin_url is None:
        raise SettingsError(
            "DATABASE__ADMIN_URL is not set; this command needs a role that may create roles and databases."
        )
    for line in asyncio.run(prepare(settings)) or ["Everything is there already."]:
        typer.echo(line)
