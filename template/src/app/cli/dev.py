"""`app dev`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from app.dev import runner

commands: Final = typer.Typer(add_completion=False)


@commands.command()
def dev(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="Port of the API; without it PORT, or 8000.")
    ] = None,
    data: Annotated[Path, typer.Option(help="Where the servers keep their data.")] = Path(".dev"),
    reload: Annotated[bool, typer.Option(help="Restart when the code changes.")] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before something drops.")] = False,
) -> None:
    """Run the service with all that it needs, until Ctrl-C."""
    raise typer.Exit(runner.run(host=host, port=port, data=data, reload=reload, yes=yes))
