"""The pool's connections: each is handed out in its turn, and comes back even if nobody returns it."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from time import monotonic
from typing import Any, Final
from uuid import UUID

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from app.core.db.turns import Turns
from app.core.errors import Unavailable
from app.core.settings import DatabaseSettings

_LOANS: Final = "loans"


class Loans:
    """The connections that a request has taken and not returned, however it took them."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost = on_lost
        self._taken: dict[PoolProxiedConnection, tuple[Checkout, asyncio.Task[Any] | None]] = {}
        self._is_over = False

    def end(self) -> None:
        """Close what nobody can return any more, and call `on_lost` for each.

        What a task of the request's has taken is its own as long as it runs.
        """
        self._is_over = True
        for connection, (_, task) in list(self._taken.items()):
            self._watch(connection, None if task is asyncio.current_task() else task)

    def take(self, connection: PoolProxiedConnection, checkout: "Checkout") -> None:
        """Note a connection that was taken."""
        task = asyncio.current_task()
        self._taken[connection] = checkout, task
        if self._is_over:
            self._watch(connection, task)

    def give_back(self, connection: PoolProxiedConnection) -> None:
        """Forget one that was returned."""
        self._taken.pop(connection, None)

    def _watch(self, connection: PoolProxiedConnection, task: asyncio.Task[Any] | None) -> None:
        if task is None or task.done():
            self._close(connection)
        else:
            task.add_done_callback(lambda _: self._close(connection))

    def _close(self, connection: PoolProxiedConnection) -> None:
        if connection in self._taken:
            checkout, _ = self._taken.pop(connection)
            checkout.take_back(connection)
            self._on_lost()


loans: ContextVar[Loans | None] = ContextVar(_LOANS, default=None)
"""Where the running request's connections are noted; `None` outside requests, where whoever takes one returns it."""


class Checkout:
    """Hands out the pool's connections in the order of `Turns`.

    SQLAlchemy's queue lets a newcomer take what a waiter has just been woken for, who then has to queue up anew
    (ADR 0025), and knows no tenants.
    """

    def __init__(self, engine: AsyncEngine, settings: DatabaseSettings) -> None:
        self._engine = engine
        self._turns = Turns(settings.connections)
        self._granted: dict[PoolProxiedConnection, UUID | None] = {}
        self._patience_seconds = settings.pool_timeout.total_seconds()
        self._exhausted_since: float | None = None
        event.listen(engine.sync_engine, "checkout", self._note)
        event.listen(engine.sync_engine, "checkin", _forget)

    @property
    def exhausted_seconds(self) -> float:
        """For how long every connection has been in use and none came back; 0 before somebody has waited in vain."""
        return 0.0 if self._exhausted_since is None else monotonic() - self._exhausted_since

    async def take(self, tenant: UUID | None = None) -> PoolProxiedConnection:
        """Return a connection of the driver's, for `give_back`; it counts as the tenant's.

        Raises:
            Unavailable: none became free for the tenant within `DATABASE__POOL_TIMEOUT`, or the server cannot be
                reached.
        """
        try:
            await self._turns.wait(tenant, self._patience_seconds)
        except TimeoutError as exc:
            if self._turns.none_is_free and self._exhausted_since is None:
                self._exhausted_since = monotonic() - self._patience_seconds
            raise Unavailable from exc
        try:
            # Not `connect`: most requests need no SQLAlchemy around the driver.
            connection = await self._engine.raw_connection()
        except BaseException as exc:
            self._end_turn(tenant)
            if isinstance(exc, OSError):
                raise Unavailable from exc
            raise
        self._granted[connection] = tenant
        return connection

    def give_back(self, connection: PoolProxiedConnection) -> None:
        """Return a connection to the pool, unless `take_back` has come first."""
        if connection in self._granted:
            tenant = self._granted.pop(connection)
            try:
                connection.close()
            finally:
                self._end_turn(tenant)

    def take_back(self, connection: PoolProxiedConnection) -> None:
        """Close a connection that nobody returns."""
        driver: Any = connection.driver_connection
        if driver is not None:
            driver.terminate()
        if connection.is_valid:
            connection.invalidate()
        if connection in self._granted:
            self._end_turn(self._granted.pop(connection))

    def _end_turn(self, tenant: UUID | None) -> None:
        self._exhausted_since = None
        self._turns.end(tenant)

    def _note(
        self, _driver: object, entry: ConnectionPoolEntry, connection: PoolProxiedConnection
    ) -> None:
        if (borrower := loans.get()) is not None:
            entry.info[_LOANS] = borrower, connection
            borrower.take(connection, self)


def _forget(_driver: object, entry: ConnectionPoolEntry) -> None:
    if (noted := entry.info.pop(_LOANS, None)) is not None:
        borrower, connection = noted
        borrower.give_back(connection)
