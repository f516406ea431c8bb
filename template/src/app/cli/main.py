"""The command line. A command ends with 0, with 1 if it failed, with 2 if it was called or configured wrongly."""

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from app.core import about

_MODULES: Final = {
    "dev": "app.cli.dev",
    "api": "app.cli.api",
    "worker": "app.cli.worker",
    "migrate": "app.cli.migrate",
    "migration": "app.cli.migration",
    "tenants": "app.cli.tenants",
    "superuser": "app.cli.superuser",
    "seed": "app.cli.seed",
}


class _LoadedWhenCalled(TyperGroup):
    # A command imports what it runs, and no other command's libraries.
    def list_commands(self, _ctx: Any) -> list[str]:
        return list(_MODULES)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        module = _MODULES.get(cmd_name)
        if module is None:
            return None
        command = get_command(import_module(module).commands)
        command.name = cmd_name
        return command


commands: Final = typer.Typer(
    cls=_LoadedWhenCalled, add_completion=False, pretty_exceptions_enable=False
)


@commands.callback(no_args_is_help=True, help=f"{about.NAME}: {about.DESCRIPTION}")
def _commands() -> None:
    pass


def main() -> None:
    """Run the command that the arguments name."""
    try:
        commands()
    except Exception as exc:
        from app.cli.failures import end_with_sentence  # noqa: PLC0415  only for a failure

        end_with_sentence(exc)
        raise
