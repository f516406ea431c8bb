"""What background work says about a failure, and whether trying again may help."""

from typing import Final

import asyncpg

from app.core.db.failures import driver_error, is_transient
from app.core.errors import Unavailable
from app.core.mail import MailDelayed, MailRefused

MAX_LENGTH: Final = 1000

_NOT_LET_IN: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
"""PostgreSQL's answers while a password is changed or a database restored. A command's user is told; work waits."""

_ATTEMPTS_OF_ERRORS: Final = 3
"""How often something is tried that does not look like an outage; a race may look like an error once."""


def describe(exc: BaseException) -> str:
    """Return one line for an operator: the kind of failure and its message, if it has one.

    PostgreSQL's further lines quote values of rows, SQLAlchemy's quote SQL: they stay in the log.
    """
    cause = driver_error(exc)
    message = str(cause).partition("\n")[0]
    kind = type(cause).__name__
    return f"{kind}: {message}"[:MAX_LENGTH] if message else kind


def may_pass(exc: BaseException) -> bool:
    """Tell whether the cause lies outside this service and may go away, as a restart of PostgreSQL does."""
    return isinstance(exc, Unavailable | OSError) or is_transient(exc)


def is_final(exc: BaseException, attempt: int) -> bool:
    """Tell whether there is no point in another attempt after this one, which counts from 1."""
    if isinstance(exc, MailRefused):
        return True
    if isinstance(exc, MailDelayed) or may_pass(exc) or isinstance(driver_error(exc), _NOT_LET_IN):
        return False
    return attempt >= _ATTEMPTS_OF_ERRORS


def is_explained(exc: BaseException) -> bool:
    """Tell whether one line says enough; a traceback helps with everything else."""
    return isinstance(exc, MailDelayed | MailRefused) or may_pass(exc)
