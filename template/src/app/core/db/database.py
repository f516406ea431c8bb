"""Who owns the pool and ends transactions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.pool import QueuePool

from app.core.db import tenancy
from app.core.db.admission import enter_tenant
from app.core.db.checkout import Checkout
from app.core.db.engine import create_pool, observe_statements
from app.core.db.failures import is_transient, is_unfit_value
from app.core.db.sessions import LobbySession, TenantSession
from app.core.db.unit_of_work import ObserveQuery, UnitOfWork
from app.core.errors import AppError, InvalidRequest, Unavailable
from app.core.settings import DatabaseSettings

MIN_SERVER_VERSION: Final = 160000

_LIMIT: Final = text("""
    SELECT least(
        (SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END)
            FROM pg_settings
            WHERE name IN
                ('max_connections', 'superuser_reserved_connections', 'reserved_connections')),
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
    )
""")


class UnsupportedServer(Exception):
    """The PostgreSQL server is too old for tenant roles, or lets in too few."""


class Database:
    """A pool; closed by who built it."""

    def __init__(self, settings: DatabaseSettings, *, observe: ObserveQuery | None = None) -> None:
        self.engine = create_pool(settings)
        self._settings = settings
        self._checkout = Checkout(self.engine, settings)
        self._prelude = _prelude(settings)
        self._observe = observe
        if observe is not None:
            observe_statements(self.engine, observe)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection that is not in use."""
        await self.engine.dispose()

    @property
    def pool(self) -> QueuePool:
        """The connections, for metrics."""
        pool = self.engine.pool
        if not isinstance(pool, QueuePool):
            raise TypeError("the application's engine has a queue pool")
        return pool

    @property
    def exhausted_seconds(self) -> float:
        """For how long every connection has been in use and none came back; 0 before somebody has waited in vain."""
        return self._checkout.exhausted_seconds

    async def check_server(self) -> None:
        """Refuse a server that lacks `GRANT … WITH INHERIT FALSE, SET TRUE`.

        Raises:
            UnsupportedServer: it is older than PostgreSQL 16.
        """
        async with self.engine.connect() as connection:
            version = int(await connection.scalar(text("SHOW server_version_num")) or 0)
        if version < MIN_SERVER_VERSION:
            raise UnsupportedServer(
                f"PostgreSQL {version // 10000} is too old: tenant roles need version 16 or newer."
            )

    async def check_room_for(self, processes: int, each: int, names: str) -> None:
        """Refuse to start what would run out of connections under load.

        `names` are the settings that `each` process's number comes from. Behind a pooler, which hands out its own,
        there is nothing to compare.

        Raises:
            UnsupportedServer: so many processes with full pools are more than the server lets in.
        """
        if self._settings.pooler == "transaction":
            return
        async with self.engine.connect() as connection:
            limit = int(await connection.scalar(_LIMIT) or 0)
        if processes * each > limit:
            raise UnsupportedServer(
                f"{processes} workers may open {each} connections each ({names}),"
                f" {processes * each} in all, but PostgreSQL lets in {limit}"
                " (max_connections without what is reserved, or the limit of the role or the"
                " database). Start fewer workers, make the pool smaller, or raise the limit."
            )

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[UnitOfWork]:
        """Yield a transaction that commits on success and rolls back on any exception.

        Raises:
            Unavailable: the database did not answer, or asked to try again.
            InvalidRequest: a value does not fit its column.
        """
        unit = UnitOfWork(self.engine, self._checkout, prelude=self._prelude, observe=self._observe)
        try:
            yield unit
        except AppError as exc:
            await (self._commit(unit) if exc.keeps_changes else unit.rollback(cancelled=False))
            raise
        except Exception as exc:
            await unit.rollback(cancelled=False)
            _raise_if_no_fault(exc)
            raise
        except BaseException:
            await unit.rollback(cancelled=True)
            raise
        else:
            await self._commit(unit)
        finally:
            unit.end()

    @asynccontextmanager
    async def lobby(self) -> AsyncIterator[LobbySession]:
        """Yield the lobby's session in a transaction of its own, for work outside requests."""
        async with self.unit() as unit:
            yield LobbySession(unit)

    @asynccontextmanager
    async def tenant(self, tenant_id: UUID) -> AsyncIterator[TenantSession]:
        """Yield a tenant's session in a transaction of its own, for work outside requests.

        Raises:
            TenantNotFound: there is no such tenant, or it has no schema to enter.
            TenantNotMigrated: the schema lacks migrations of this release.
        """
        async with self.unit() as unit:
            await enter_tenant(unit, tenant_id)
            yield TenantSession(unit)

    async def _commit(self, unit: UnitOfWork) -> None:
        try:
            await unit.commit()
        except Exception as exc:
            await unit.rollback(cancelled=False)
            _raise_if_no_fault(exc)
            raise
        except BaseException:
            await unit.rollback(cancelled=True)
            raise


def _raise_if_no_fault(exc: Exception) -> None:
    if is_transient(exc):
        raise Unavailable from exc
    if is_unfit_value(exc):
        raise InvalidRequest("A value does not fit where it is stored.") from exc


def _prelude(settings: DatabaseSettings) -> str:
    if settings.pooler == "none":
        return ""
    return (
        f"{tenancy.LOBBY_PATH};"
        f"SET LOCAL statement_timeout = {int(settings.statement_timeout.total_seconds() * 1000)};"
        f"SET LOCAL lock_timeout = {int(settings.lock_timeout.total_seconds() * 1000)};"
    )
