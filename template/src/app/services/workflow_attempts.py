"""Carries out executions in attempts, each of which takes every step: a step finds what an earlier attempt has done."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

import structlog
from sqlalchemy import func, update
from sqlmodel import col

from app.core.identifiers import utcnow
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.repositories.public.workflow_queue import QueuedExecution
from app.services.background_failures import describe, is_explained, is_final, may_pass
from app.services.background_work import BackgroundWork

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Retries:
    """How many `attempts` are made, with pauses between them that double from `first` to `longest`."""

    first: timedelta
    longest: timedelta
    attempts: int

    def pause_after(self, attempt: int) -> timedelta:
        """Return how long to wait after an attempt, which counts from 1."""
        return min(self.first * (1 << min(attempt - 1, 20)), self.longest)


MINUTES: Final = Retries(timedelta(seconds=1), timedelta(seconds=15), attempts=40)
"""About ten minutes, longer than a restart of PostgreSQL. Waiting for an attempt to begin does not count."""

HOURS: Final = Retries(timedelta(seconds=5), timedelta(minutes=10), attempts=150)
"""About a day, for a mail server that is down or a schema that is in use."""

RETRIES: Final[Mapping[WorkflowKind, Retries]] = {
    WorkflowKind.PROVISION_TENANT: MINUTES,
    WorkflowKind.DELETE_TENANT: HOURS,
    WorkflowKind.SEND_EMAIL: HOURS,
    WorkflowKind.CLEAN_UP: MINUTES,
}

_RECORDING: Final = Retries(timedelta(seconds=1), timedelta(seconds=30), attempts=0)
"""Without end: nothing but an outage can keep it from being written how an execution ended."""

_LOOK_AGAIN: Final = timedelta(days=1)
"""A tenant's grace period may be changed while its deletion waits."""

_STEP: Final = timedelta(minutes=2)
_LONG_STEP: Final = timedelta(minutes=30)
_CLEAN_UP: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Ended:
    """The execution is closed, with an `error` if it was given up."""

    error: str | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """The execution is due again `after` a while: because of an `error`, or because it was too early."""

    after: timedelta
    error: str | None = None


class NotBegun(Exception):
    """PostgreSQL did not let an attempt begin, because of `cause`: nothing was tried."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(describe(cause))
        self.cause = cause


class WorkflowAttempts:
    """What an engine calls that keeps no history of steps: it counts attempts and waits."""

    def __init__(
        self, work: BackgroundWork, retries: Mapping[WorkflowKind, Retries] = RETRIES
    ) -> None:
        self.work = work
        self.retries = retries
        self.steps: Mapping[WorkflowKind, Callable[[QueuedExecution], Awaitable[Ended | Again]]] = {
            WorkflowKind.PROVISION_TENANT: self._provision,
            WorkflowKind.DELETE_TENANT: self._delete,
            WorkflowKind.SEND_EMAIL: self._send_email,
            WorkflowKind.CLEAN_UP: self._clean_up,
        }

    async def make(self, execution: QueuedExecution, attempt: int) -> Ended | Again:
        """Make an attempt, which counts from 1; it does nothing if the execution is closed already.

        An attempt beyond the last one only records that the execution was given up: the last one cannot have done so.

        Raises:
            NotBegun: the execution's row was not reached.
        """
        with structlog.contextvars.bound_contextvars(
            workflow_id=f"{execution.kind}-{execution.id}", attempt=attempt
        ):
            if not await self._begin(execution):
                return Ended()
            if attempt > self.retries[execution.kind].attempts:
                return await self._give_up(execution, "The last attempt ended with its process.")
            try:
                return await self.steps[execution.kind](execution)
            except _StepFailed as failed:
                return await self._after(failed, execution, attempt)

    async def _begin(self, execution: QueuedExecution) -> bool:
        statement = (
            update(WorkflowExecution)
            .where(
                col(WorkflowExecution.id) == execution.id,
                col(WorkflowExecution.finished_at).is_(None),
            )
            .values(
                status=WorkflowStatus.RUNNING,
                started_at=func.coalesce(col(WorkflowExecution.started_at), func.now()),
                checked_at=func.now(),
            )
            .returning(col(WorkflowExecution.id))
        )
        try:
            async with self.work.database.lobby() as session:
                return (await session.execute(statement)).first() is not None
        except Exception as exc:
            raise NotBegun(exc) from exc

    async def _after(
        self, failed: "_StepFailed", execution: QueuedExecution, attempt: int
    ) -> Ended | Again:
        retries, cause = self.retries[execution.kind], failed.cause
        error = f"{failed.step}: {describe(cause)}"
        # A deletion that was given up requests the next one at once, which would fail in the same way.
        is_hopeless = execution.kind is not WorkflowKind.DELETE_TENANT and is_final(cause, attempt)
        final = attempt >= retries.attempts or is_hopeless
        log.warning(
            "step_failed",
            error=error,
            final=final,
            exc_info=None if is_explained(cause) else cause,
        )
        if final:
            return await self._give_up(execution, error)
        return Again(retries.pause_after(attempt), error)

    async def _give_up(self, execution: QueuedExecution, error: str) -> Ended:
        await _until_done(partial(self.work.outcomes.abandon, execution, error))
        return Ended(error)

    async def _complete(self, execution: QueuedExecution) -> Ended:
        await _until_done(partial(self.work.outcomes.complete, execution.id))
        return Ended()

    async def _provision(self, execution: QueuedExecution) -> Ended | Again:
        provisioning, id = self.work.provisioning, execution.id
        async with _step("create_schema"):
            goes_on = await provisioning.create_schema(id)
        if goes_on:
            async with _step("migrate_schema", at_most=_LONG_STEP):
                goes_on = await provisioning.migrate_schema(id)
        if goes_on:
            async with _step("complete_provisioning"):
                await provisioning.complete(id)
        return Ended()

    async def _delete(self, execution: QueuedExecution) -> Ended | Again:
        deletion = self.work.deletion
        while True:
            async with _step("read_due_date"):
                due_at = await deletion.due_at(execution.id)
            if due_at is None:
                return Ended()
            if (remaining := due_at - utcnow()) > timedelta():
                return Again(min(remaining, _LOOK_AGAIN))
            async with _step("drop_tenant", at_most=_LONG_STEP):
                await deletion.drop(execution.id, due_at)

    async def _send_email(self, execution: QueuedExecution) -> Ended | Again:
        async with _step("send_email"):
            await self.work.email_delivery.send(execution.id)
        return await self._complete(execution)

    async def _clean_up(self, execution: QueuedExecution) -> Ended | Again:
        async with _step("clean_up", at_most=_CLEAN_UP):
            await self.work.clean_up.run()
        return await self._complete(execution)


class _StepFailed(Exception):
    def __init__(self, step: str, cause: Exception) -> None:
        super().__init__(step)
        self.step = step
        self.cause = cause


@asynccontextmanager
async def _step(name: str, *, at_most: timedelta = _STEP) -> AsyncIterator[None]:
    began = time.monotonic()
    try:
        async with asyncio.timeout(at_most.total_seconds()):
            yield
    except Exception as exc:
        raise _StepFailed(name, exc) from exc
    log.info("step_completed", step=name, seconds=round(time.monotonic() - began, 3))


async def _until_done(record: Callable[[], Awaitable[None]]) -> None:
    for attempt in itertools.count(1):
        try:
            await record()
        except Exception as exc:
            if not may_pass(exc):
                raise
            if attempt == 1:
                log.warning("outcome_not_recorded", error=describe(exc))
            await asyncio.sleep(_RECORDING.pause_after(attempt).total_seconds())
        else:
            return
