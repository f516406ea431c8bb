"""What the operator's commands share."""

import os
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel, ValidationError

from app.core.logging import configure_logging
from app.core.settings import ENV_FILES, Settings, SettingsError, load_settings


def command_settings() -> Settings:
    """Return the settings; the command's log holds warnings only.

    Raises:
        SettingsError: a setting is missing or wrong.
    """
    try:
        settings = load_settings()
    except SettingsError as exc:
        if any(Path(file).exists() for file in ENV_FILES) or "ENVIRONMENT" in os.environ:
            raise
        hint = "On this machine, start `make dev`: commands use its settings while it runs."
        raise SettingsError(f"{exc}\n{hint}") from None
    configure_logging(settings.logging.model_copy(update={"level": "warning"}))
    return settings


def owner_settings() -> Settings:
    """Return the settings of a command that needs the DDL role.

    Raises:
        SettingsError: a setting is missing or wrong.
    """
    settings = command_settings()
    if settings.database.owner_url is None:
        raise SettingsError(
            "DATABASE__OWNER_URL is not set; this command needs the DDL role, which owns schemas."
        )
    return settings


def printable(text: str) -> str:
    """Return what strangers wrote with escapes for all that does more to a terminal than show a character."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def checked[M: BaseModel](model: type[M], **values: Any) -> M:
    """Return arguments that the API's rules accept.

    Raises:
        BadParameter: one does not; ends the command with 2.
    """
    try:
        return model(**values)
    except ValidationError as exc:
        problems = (
            f"{error['loc'][0]}: {error['msg'].removeprefix('Value error, ')}"
            for error in exc.errors()
        )
        raise typer.BadParameter("; ".join(problems)) from None
