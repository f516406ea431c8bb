"""Sentences instead of tracebacks, where the operator can help."""

from typing import Final

import asyncpg
import typer

from app.core.db.database import UnsupportedServer
from app.core.db.extensions import ExtensionRefused
from app.core.db.failures import driver_error
from app.core.db.migrations import BrokenHistory, UnknownMigration
from app.core.errors import AppError, Unavailable
from app.core.settings import SettingsError
from app.dev.errors import DROPS_REFUSED
from app.services.background_failures import describe, may_pass
from app.services.migration_service import DropsRefused, MigrationRefused


class Refused(Exception):
    """A command cannot do what it was asked for; the message says why."""


_SENTENCES: Final = (
    SettingsError,
    Refused,
    MigrationRefused,
    UnknownMigration,
    BrokenHistory,
    UnsupportedServer,
    ExtensionRefused,
)

_EXIT_CODES: Final[dict[type[Exception], int]] = {SettingsError: 2, DropsRefused: DROPS_REFUSED}


def end_with_sentence(exc: Exception) -> None:
    """End the process with what the operator should know; return if this is a bug."""
    sentence = _sentence(exc)
    if sentence is not None:
        typer.echo(sentence, err=True)
        raise SystemExit(_EXIT_CODES.get(type(exc), 1)) from None


def _sentence(exc: Exception) -> str | None:
    if isinstance(exc, _SENTENCES):
        return str(exc)
    if isinstance(exc, AppError) and not isinstance(exc, Unavailable):
        return f"{(exc.detail or exc.title).rstrip('.')}."
    return _database_sentence(exc.__cause__ or exc if isinstance(exc, Unavailable) else exc)


def _database_sentence(exc: BaseException) -> str | None:
    error = driver_error(exc)
    if may_pass(exc):
        return f"PostgreSQL does not answer ({describe(exc)})."
    if isinstance(error, asyncpg.UndefinedTableError):
        return f"The database lacks migrations ({describe(exc)}): run `app migrate` first."
    if isinstance(error, asyncpg.InsufficientPrivilegeError) and "create extension" in str(error):
        return f"{describe(exc)}. An administrator may: run `app bootstrap` (docs/migrations.md)."
    if isinstance(error, asyncpg.PostgresError):
        return f"PostgreSQL refuses ({describe(exc)})."
    return None
