"""Which failures of the database are nobody's fault and worth another try."""

from typing import Final

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_TRANSIENT: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # The server's farewell has arrived, the end of its stream has not.
    asyncpg.InternalClientError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.TransactionRollbackError,
    asyncpg.exceptions.LockNotAvailableError,
    # The server's own trouble: with a file that cannot grow or be read, or with a race in its catalogue.
    asyncpg.InternalServerError,
    asyncpg.PostgresSystemError,
    asyncpg.exceptions.ReadOnlySQLTransactionError,
    PoolTimeoutError,
    ConnectionError,
    # The server has said nothing for longer than a statement may take.
    TimeoutError,
)

_LOAD_IT: Final = (
    "A relationship or a column was read that the query had not loaded. Name it there,"
    ' `select(…).options(selectinload(Model.attribute))`, or at the relationship with lazy="selectin".'
)
_MIGRATE: Final = (
    "The code is ahead of the database. `make migration` writes what the models have and the migrations lack,"
    " `make migrate` applies it."
)

_LOST_CONNECTION: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.exceptions.AdminShutdownError,
    asyncpg.exceptions.CrashShutdownError,
    asyncpg.exceptions.IdleInTransactionSessionTimeoutError,
    asyncpg.exceptions.IdleSessionTimeoutError,
    ConnectionError,
)


def driver_error(exc: BaseException) -> BaseException:
    """Return the driver's own error behind `exc`, or `exc` itself."""
    if isinstance(exc, DBAPIError) and exc.orig is not None:
        exc = exc.orig
    # What SQLAlchemy's adapter makes of it; a pool without an engine's connection lets that through.
    return exc.__cause__ or exc if isinstance(exc, AsyncAdapt_asyncpg_dbapi.Error) else exc


def is_transient(exc: BaseException) -> bool:
    """Tell whether the same request may succeed later: a restart, a full pool, a time-out, a deadlock."""
    return isinstance(driver_error(exc), _TRANSIENT)


def is_lost_connection(exc: BaseException) -> bool:
    """Tell whether the connection was found dead, so that nothing that it was sent took effect."""
    return isinstance(driver_error(exc), _LOST_CONNECTION)


_UNFIT: Final = (
    asyncpg.exceptions.NumericValueOutOfRangeError,
    asyncpg.exceptions.StringDataRightTruncationError,
    asyncpg.exceptions.DatetimeFieldOverflowError,
    # The NUL character in an array or in JSON, and what JSON has no name for.
    asyncpg.exceptions.CharacterNotInRepertoireError,
    asyncpg.exceptions.UntranslatableCharacterError,
    asyncpg.exceptions.InvalidTextRepresentationError,
)


def is_unfit_value(exc: BaseException) -> bool:
    """Tell whether a value does not fit its column: a number too large, a text that is none, a time without a zone."""
    if isinstance(exc, StatementError) and not isinstance(exc, DBAPIError):
        # The column's type has refused it.
        return isinstance(exc.orig, ValueError)
    error = driver_error(exc)
    # The driver refuses some of them before it sends anything.
    is_refused = isinstance(error, asyncpg.DataError) and isinstance(
        error.__cause__, OverflowError | ValueError
    )
    return is_refused or isinstance(error, _UNFIT)


def is_referred_to(exc: BaseException) -> bool:
    """Tell whether a row could not be deleted because other rows refer to it."""
    return isinstance(driver_error(exc), asyncpg.ForeignKeyViolationError)


def is_in_use(exc: BaseException) -> bool:
    """Tell whether something was not waited for any longer that another transaction holds."""
    return isinstance(driver_error(exc), asyncpg.exceptions.LockNotAvailableError)


def hint_of(exc: BaseException) -> str | None:
    """Return what the developer can do about a crash, if it is one of those that ordinary code runs into."""
    # Pydantic quotes what an attribute has raised, and raises an error of its own.
    said = f"{type(exc).__name__}: {exc}"
    if "LazyLoad:" in said or "DetachedInstanceError:" in said:
        return _LOAD_IT
    if isinstance(driver_error(exc), asyncpg.UndefinedTableError | asyncpg.UndefinedColumnError):
        return _MIGRATE
    return None


def constraint_of(exc: BaseException) -> str | None:
    """Return the name of the constraint that was violated, if that is what went wrong."""
    name: str | None = getattr(driver_error(exc), "constraint_name", None)
    return name
