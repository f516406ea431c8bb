"""The connection pool."""

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.core import about
from app.core.db import tenancy
from app.core.settings import DatabaseSettings

_FAREWELL_SECONDS: Final = 2.0
"""How much later than `DATABASE__STATEMENT_TIMEOUT` a server may say that it has stopped a statement."""


def create_pool(settings: DatabaseSettings) -> AsyncEngine:
    """Build the application's pool; nothing connects yet.

    Transactions are begun by `UnitOfWork`, in the round trip that admits the caller, so the driver itself runs in
    autocommit. A default path without tables makes a forgotten tenant fail instead of leak.
    """
    engine = create_async_engine(
        _driver_url(make_url(settings.url.get_secret_value())),
        isolation_level="AUTOCOMMIT",
        # SQLAlchemy closes overflow connections as soon as they are free: under steady load each request would pay
        # for a new one, which costs more than the request.
        pool_size=settings.connections,
        max_overflow=0,
        pool_timeout=settings.pool_timeout.total_seconds(),
        pool_recycle=settings.recycle_after.total_seconds(),
        pool_use_lifo=True,
        # `UnitOfWork` returns no connection that is in a transaction.
        pool_reset_on_return=None,
        # A failed statement is logged with its traceback, and a secret may be among its values.
        hide_parameters=True,
        connect_args=_connect_args(settings),
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    event.listen(engine.sync_engine, "handle_error", _give_up_silent)
    return engine


def create_owner_engine(settings: DatabaseSettings) -> AsyncEngine:
    """Build an engine for the DDL role; each use opens a connection of its own.

    Raises:
        ValueError: `DATABASE__OWNER_URL` is not set.
    """
    return _unpooled(owner_url(settings), "owner")


def create_admin_engine(settings: DatabaseSettings, database: str | None) -> AsyncEngine:
    """Build an engine for an administrator, in autocommit, for one database or the URL's.

    Raises:
        ValueError: `DATABASE__ADMIN_URL` is not set.
    """
    if settings.admin_url is None:
        raise ValueError("DATABASE__ADMIN_URL is not set; only an administrator makes roles.")
    url = make_url(settings.admin_url.get_secret_value())
    engine = _unpooled(url.set(database=database) if database else url, "admin")
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def owner_url(settings: DatabaseSettings) -> URL:
    """Return the URL of the DDL role.

    Raises:
        ValueError: `DATABASE__OWNER_URL` is not set.
    """
    if settings.owner_url is None:
        raise ValueError("DATABASE__OWNER_URL is not set; only the DDL role may change schemas.")
    return make_url(settings.owner_url.get_secret_value())


def _unpooled(url: URL, name: str) -> AsyncEngine:
    return create_async_engine(
        _driver_url(url),
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={
            "server_settings": {
                "application_name": f"{about.SLUG}-{name}",
                **tenancy.START_IN_LOBBY,
            }
        },
    )


def observe_statements(engine: AsyncEngine, observe: Callable[[float], None]) -> None:
    """Report the seconds of each statement that the ORM sends."""

    def before(_c: Any, _cu: Any, _s: Any, _p: Any, context: Any, _m: Any) -> None:
        context.started = perf_counter()

    def after(_c: Any, _cu: Any, _s: Any, _p: Any, context: Any, _m: Any) -> None:
        observe(perf_counter() - context.started)

    event.listen(engine.sync_engine, "before_cursor_execute", before)
    event.listen(engine.sync_engine, "after_cursor_execute", after)


def _driver_url(url: URL) -> URL:
    url = url.set(drivername="postgresql+asyncpg")
    if mode := url.query.get("sslmode"):
        # The driver takes libpq's modes under another name.
        return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return url


def _connect_args(settings: DatabaseSettings) -> dict[str, Any]:
    limit_seconds = settings.statement_timeout.total_seconds()
    # A host that has vanished says nothing any more, and TCP does not ask it while an answer is waited for.
    patience = {
        "timeout": settings.pool_timeout.total_seconds(),
        "command_timeout": limit_seconds + _FAREWELL_SECONDS if limit_seconds else None,
    }
    if settings.pooler == "transaction":
        # The next transaction may run on another backend: no statement can stay prepared, and PgBouncer refuses
        # start-up parameters. `UnitOfWork` sets the time limits in each transaction instead.
        return {**patience, "statement_cache_size": 0, "prepared_statement_cache_size": 0}
    return {
        **patience,
        "server_settings": {
            "application_name": about.SLUG,
            **tenancy.START_IN_LOBBY,
            "statement_timeout": str(int(limit_seconds * 1000)),
            "lock_timeout": str(int(settings.lock_timeout.total_seconds() * 1000)),
        },
    }


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    # Costs no round trip: the driver knows when the server has hung up, as it does on a restart.
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _give_up_silent(context: ExceptionContext) -> None:
    # Nobody knows what such a server has done: the connection can say nothing more to it, not even ROLLBACK.
    if isinstance(context.original_exception, TimeoutError) and context.connection:
        pooled: Any = context.connection.connection
        pooled.driver_connection.terminate()
