"""`app worker`."""

from typing import Final

import typer

from app.cli.console import owner_settings
from app.worker import run_worker

commands: Final = typer.Typer(add_completion=False)


@commands.command()
def worker() -> None:
    """Carry out background work, until SIGTERM or Ctrl-C."""
    run_worker(owner_settings())
