"""The API process as the engine of background work (ADR 0019)."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID, uuid4

import structlog

from app.core.db.session_connection import session_connection
from app.core.db.sessions import LobbySession
from app.core.settings_inline import BackgroundSettings
from app.inline.schedules import request_clean_up
from app.models.public.workflow_executions import WorkflowKind
from app.repositories.public.workflow_claims import Claimed, WorkflowClaims
from app.repositories.public.workflow_queue import QueuedExecution
from app.services.background_failures import describe, may_pass
from app.services.background_work import BackgroundWork
from app.services.loops import Loop
from app.services.workflow_attempts import Again, NotBegun, WorkflowAttempts

log = structlog.get_logger(__name__)

_CHANNEL: Final = "workflow_executions"
_SCHEDULES_SECONDS: Final = 60.0
_BEATS_PER_LEASE: Final = 3
_NOW: Final = timedelta()

_MAIL: Final = (WorkflowKind.SEND_EMAIL,)
_NO_MAIL: Final = tuple(kind for kind in WorkflowKind if kind not in _MAIL)


class Engine:
    """Takes what it has room for; the rest waits in the table, where other processes find it too."""

    def __init__(
        self,
        work: BackgroundWork,
        settings: BackgroundSettings,
        attempts: WorkflowAttempts | None = None,
    ) -> None:
        self.work = work
        self.settings = settings
        self.attempts = attempts or WorkflowAttempts(work)
        self.holder = uuid4()
        self._wake = asyncio.Event()
        self._running: dict[UUID, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the block runs, then let running work finish for at most `drain_timeout`."""
        loops = [asyncio.create_task(loop.run()) for loop in self._loops()]
        leases = asyncio.create_task(self._lease_loop().run())
        try:
            yield
        finally:
            await _cancel(*loops)
            await self._drain()
            await _cancel(leases)

    def _loops(self) -> list[Loop]:
        clean_up = partial(request_clean_up, self.work.database)
        return [
            Loop("claims", self._take, pause_seconds=0),
            Loop("announcements", self._listen, pause_seconds=0),
            Loop("schedules", clean_up, pause_seconds=_SCHEDULES_SECONDS),
        ]

    def _lease_loop(self) -> Loop:
        beat = self.settings.lease.total_seconds() / _BEATS_PER_LEASE
        return Loop("leases", self._extend, pause_seconds=beat)

    async def _take(self) -> bool:
        if free := self.settings.concurrency - len(self._running):
            for claim in await self._claim(free):
                self._start(claim)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.poll_interval.total_seconds()):
                await self._wake.wait()
        self._wake.clear()
        return False

    async def _claim(self, free: int) -> list[Claimed]:
        async with self.work.database.lobby() as session:
            # Where a lease ran out, or a row was put back, its task may still be there.
            claims, lease, own = self._claims(session), self.settings.lease, [*self._running]
            claimed: list[Claimed] = []
            for kinds in (_NO_MAIL, _MAIL):
                if (room := min(free - len(claimed), self._room_for(kinds))) > 0:
                    claimed += await claims.claim(room, lease, kinds=kinds, but=own)
        return claimed

    def _room_for(self, kinds: Collection[WorkflowKind]) -> int:
        # One place is left for the others: a mail server may hang, and a large tenant takes long to drop.
        running = sum(task.get_name() in kinds for task in self._running.values())
        return max(self.settings.concurrency - 1, 1) - running

    def _start(self, claim: Claimed) -> None:
        task = asyncio.create_task(self._carry_out(claim), name=claim.kind)
        self._running[claim.id] = task
        task.add_done_callback(partial(self._finished, claim.id))

    def _finished(self, id: UUID, task: asyncio.Task[None]) -> None:
        del self._running[id]
        self._wake.set()
        if not task.cancelled() and (exc := task.exception()):
            # Its lease runs out, and somebody tries again.
            cause = exc.cause if isinstance(exc, NotBegun) else exc
            traceback = None if may_pass(cause) else cause
            log.warning("attempt_interrupted", error=describe(cause), exc_info=traceback)

    async def _carry_out(self, claim: Claimed) -> None:
        execution = QueuedExecution(id=claim.id, kind=claim.kind)
        try:
            outcome = await self.attempts.make(execution, claim.attempt)
            if isinstance(outcome, Again):
                await self._put_back(claim.id, outcome.after, uncounted=outcome.error is None)
            else:
                async with self.work.database.lobby() as session:
                    await self._claims(session).drop(claim.id)
        except asyncio.CancelledError:
            await self._put_back(claim.id, _NOW, uncounted=True)
            raise

    async def _put_back(self, id: UUID, after: timedelta, *, uncounted: bool) -> None:
        async with self.work.database.lobby() as session:
            await self._claims(session).put_back(id, after, uncounted=uncounted)
        if after < self.settings.poll_interval:
            asyncio.get_running_loop().call_later(after.total_seconds(), self._wake.set)

    async def _extend(self) -> bool:
        if held := {**self._running}:
            async with self.work.database.lobby() as session:
                kept = await self._claims(session).extend([*held], self.settings.lease)
            for id in held.keys() - kept:
                # After an outage: another process carries it out by now.
                held[id].cancel()
        return False

    async def _listen(self) -> bool:
        closed = asyncio.Event()
        async with session_connection(self.work.owner) as connection:
            connection.add_termination_listener(lambda _connection: closed.set())
            await connection.add_listener(_CHANNEL, lambda *_: self._wake.set())
            # What was announced before.
            self._wake.set()
            await closed.wait()
        return False

    async def _drain(self) -> None:
        if self._running:
            limit = self.settings.drain_timeout.total_seconds()
            await asyncio.wait(self._running.values(), timeout=limit)
        await _cancel(*self._running.values())

    def _claims(self, session: LobbySession) -> WorkflowClaims:
        return WorkflowClaims(session, self.holder)


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
