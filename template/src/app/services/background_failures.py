"""What background work says about a failure, and whether trying again may help."""

from typing import Final

from app.core.db.failures import driver_error, is_transient
from app.core.errors import Unavailable

MAX_LENGTH: Final = 1000


def describe(exc: BaseException) -> str:
    """Return one line for an operator: the kind of failure and its message.

    PostgreSQL's further lines quote values of rows, SQLAlchemy's quote SQL: they stay in the log.
    """
    cause = driver_error(exc)
    message = str(cause).partition("\n")[0]
    return f"{type(cause).__name__}: {message}"[:MAX_LENGTH]


def may_pass(exc: BaseException) -> bool:
    """Tell whether the cause lies outside this service and may go away, as a restart of PostgreSQL does."""
    return isinstance(exc, Unavailable | OSError) or is_transient(exc)
