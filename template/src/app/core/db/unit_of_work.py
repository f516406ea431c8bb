"""One transaction on one pooled connection. Only `core/db` begins, commits and rolls back (ADR 0003)."""

from collections.abc import Awaitable, Callable
from enum import Enum
from time import perf_counter
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import Result, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.pool import PoolProxiedConnection

from app.core.db import tenancy
from app.core.db.checkout import Checkout
from app.core.db.failures import is_lost_connection
from app.core.errors import Unavailable

type Effect = Callable[[], Awaitable[object]]
type ObserveQuery = Callable[[float], None]
"""Told of each round trip, in seconds."""

log = structlog.get_logger(__name__)

_ATTEMPTS: Final = 3
"""Connections that may be found dead at the first statement, when nothing can have been done yet."""

_ENDED: Final = "ended"


class SessionEnded(RuntimeError):
    """A session was used after its transaction. Nothing was sent, and no connection was taken."""

    def __init__(self) -> None:
        super().__init__(
            "The transaction of this session has ended, as it does before the response is sent. What comes later (a"
            " streamed body, a background task, an effect, a task of its own) opens a session when it needs one:"
            ' docs/request-lifecycle.md, "After the response".'
        )


class LazyLoad(RuntimeError):
    """Something of a row was read that its query had not loaded, where nothing can be awaited."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} was not loaded by the query: name it there, `.options(selectinload(…))` or `undefer(…)`."
        )


class Side(Enum):
    """Whose rights the transaction has: the application's in the lobby, or the entered tenant's."""

    LOBBY = "lobby"
    TENANT = "tenant"


class _OrmSession(Session):
    def get_bind(self, *args: Any, **options: Any) -> Engine | Connection:
        if _ENDED in self.info:
            raise SessionEnded
        return super().get_bind(*args, **options)


@event.listens_for(_OrmSession, "do_orm_execute")
def _name_what_is_lazy(state: ORMExecuteState) -> Result[Any] | None:
    if not (state.is_relationship_load or state.is_column_load):
        return None
    try:
        return state.invoke_statement()
    except MissingGreenlet:
        path = state.loader_strategy_path
        if state.is_relationship_load and path is not None:
            raise LazyLoad(str(path.path[-1])) from None
        mapper = state.bind_mapper
        raise LazyLoad(f"A column of {mapper.class_.__name__ if mapper else 'a row'}") from None


class UnitOfWork:
    """The transaction of one request or step of background work; `Database` ends it.

    It takes a connection with its first statement, so a request that is refused before costs none.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        checkout: Checkout,
        *,
        prelude: str = "",
        observe: ObserveQuery | None = None,
    ) -> None:
        self._engine = engine
        self._checkout = checkout
        self._observe = observe
        self._begin = f"BEGIN;{prelude}"
        self._pooled: PoolProxiedConnection | None = None
        self._connection: AsyncConnection | None = None
        self._driver: Any = None
        self._sessions: dict[Side, AsyncSession] = {}
        self._effects: list[Effect] = []
        self._ended = False
        self.tenant: UUID | None = None
        """Whose share of the connections it takes one from; set before the first statement."""
        self.side = Side.LOBBY

    async def enter(self, statement: str, *, side: Side) -> None:
        """Run the statement that admits a caller; it begins the transaction in the same round trip."""
        if self._driver is None:
            await self._open(statement)
        else:
            await self._send(statement)
        self.side = side

    async def fetch(self, side: Side, sql: str, arguments: list[Any]) -> list[Any]:
        """Run one statement at the speed of the driver, with the rights of `side`."""
        await self._take(side)
        records: list[Any] = await self._answer(self._driver.fetch(sql, *arguments))
        return records

    async def orm(self, side: Side) -> AsyncSession:
        """Return the ORM session of `side`, on the same connection and transaction."""
        await self._take(side)
        if side not in self._sessions:
            self._sessions[side] = AsyncSession(
                bind=self._orm_connection(),
                sync_session_class=_OrmSession,
                autoflush=False,
                expire_on_commit=False,
                # The unit owns the transaction: a session made inside a savepoint adds none.
                join_transaction_mode="rollback_only",
            )
        return self._sessions[side]

    def after_commit(self, effect: Effect) -> None:
        """Run `effect` once the transaction has committed; a rollback drops it.

        It runs when the session has ended. What must not be lost is a `WorkflowExecution` instead: a crash drops
        effects too.

        Raises:
            SessionEnded: the transaction has committed already, or was rolled back.
        """
        if self._ended:
            raise SessionEnded
        self._effects.append(effect)

    async def commit(self) -> None:
        """End the transaction and run the effects. For `Database` alone.

        Raises:
            Unavailable: the server rolled back although it was asked to commit.
        """
        if self._driver is not None:
            for side, session in self._sessions.items():
                if session.new or session.dirty or session.deleted:
                    await self._take(side)
                    await session.flush()
            status = await self._send("COMMIT")
            if status != "COMMIT":
                raise Unavailable("The transaction could not be committed.")
            await self._release()
        self.end()
        for effect in self._effects:
            await _run(effect)

    async def rollback(self, *, cancelled: bool) -> None:
        """End the transaction without a trace. For `Database` alone.

        A cancelled request may have left a query on the wire: its connection is thrown away.
        """
        if self._driver is None:
            return
        try:
            if not cancelled and not self._driver.is_closed():
                await self._send("ROLLBACK")
        except Exception as exc:
            log.warning("rollback_failed", error=type(exc).__name__)
        finally:
            # The driver believes the connection idle until the server has answered to the first statement.
            await self._release(discard=cancelled)

    def end(self) -> None:
        """Take no connection any more. For `Database` alone."""
        self._ended = True

    async def _take(self, side: Side) -> None:
        if self._driver is None:
            await self._open("")
        if side is not self.side:
            await self._send(tenancy.LEAVE_TENANT if side is Side.LOBBY else tenancy.REENTER_TENANT)
            self.side = side

    async def _send(self, script: str) -> str:
        status: str = await self._answer(self._driver.execute(script))
        return status

    async def _answer(self, asked: Awaitable[Any]) -> Any:
        started = perf_counter()
        try:
            answer = await asked
        except TimeoutError:
            # As `engine` does for the ORM: nobody knows what a silent server has done.
            self._driver.terminate()
            raise
        if self._observe is not None:
            self._observe(perf_counter() - started)
        return answer

    async def _open(self, statement: str) -> None:
        if self._ended:
            raise SessionEnded
        for attempt in range(1, _ATTEMPTS + 1):
            self._pooled = await self._checkout.take(self.tenant)
            self._driver = self._pooled.driver_connection
            try:
                await self._send(f"{self._begin}{statement}")
            except BaseException as exc:
                if not is_lost_connection(exc) or attempt == _ATTEMPTS:
                    raise
                await self._release()
            else:
                return

    def _orm_connection(self) -> AsyncConnection:
        if self._connection is None:
            on_this = Connection(self._engine.sync_engine, self._pooled)
            self._connection = AsyncConnection(self._engine, on_this)
        return self._connection

    async def _release(self, *, discard: bool = False) -> None:
        pooled, driver = self._pooled, self._driver
        self._pooled = self._driver = self._connection = None
        if pooled is None:
            return
        try:
            for session in self._sessions.values():
                session.expunge_all()
                await session.close()
                session.info[_ENDED] = True
            if discard or driver.is_closed() or driver.is_in_transaction():
                driver.terminate()
                # A failed statement of the ORM has done so already.
                if pooled.is_valid:
                    pooled.invalidate()
        finally:
            self._checkout.give_back(pooled)


async def _run(effect: Effect) -> None:
    try:
        await effect()
    except Exception:
        # The change is committed: its answer must not become an error.
        log.exception("effect_failed")
