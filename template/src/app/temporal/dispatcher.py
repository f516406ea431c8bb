"""Starts a workflow for each requested execution, and looks after those that run."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from app.core.db.database import Database
from app.core.settings import TemporalSettings
from app.repositories.public.workflow_queue import QueuedExecution, WorkflowQueue
from app.services.background_failures import describe
from app.services.workflow_outcomes import WorkflowOutcomes
from app.temporal.client import RPC_TIMEOUT
from app.temporal.contract import Execution
from app.temporal.schedules import Schedules

log = structlog.get_logger(__name__)

_BATCH: Final = 20
_RECONCILE_SECONDS: Final = 5.0
_ENSURE_SCHEDULES_SECONDS: Final = 60.0
_MAX_PAUSE_SECONDS: Final = 5.0

_ALIVE: Final = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW)


@dataclass
class Pulse:
    """When the dispatcher last tried, and last succeeded, on `time.monotonic`'s clock."""

    tried_at: float = field(default_factory=time.monotonic)
    succeeded_at: float = float("-inf")


class Dispatcher:
    """One in each worker. Several do no harm: a workflow's id is that of its execution."""

    def __init__(
        self,
        client: Client,
        database: Database,
        outcomes: WorkflowOutcomes,
        settings: TemporalSettings,
        pulse: Pulse,
    ) -> None:
        self.client = client
        self.database = database
        self.outcomes = outcomes
        self.task_queue = settings.task_queue
        self.poll_seconds = settings.poll_interval.total_seconds()
        self.schedules = Schedules(client, settings.task_queue)
        self.pulse = pulse
        self._reconcile_at = self._ensure_schedules_at = time.monotonic()

    async def run(self) -> None:
        """Dispatch until cancelled. An outage of PostgreSQL or Temporal interrupts it and needs nobody."""
        failures = 0
        while True:
            self.pulse.tried_at = time.monotonic()
            try:
                full = await self._pass()
            except Exception as exc:
                failures += 1
                if failures == 1:
                    log.warning("dispatch_interrupted", error=describe(exc))
                pause = min(self.poll_seconds * 2**failures, _MAX_PAUSE_SECONDS)
            else:
                if failures:
                    log.info("dispatch_resumed", failures=failures)
                failures = 0
                self.pulse.succeeded_at = time.monotonic()
                pause = 0 if full else self.poll_seconds
            await asyncio.sleep(pause)

    async def _pass(self) -> bool:
        if time.monotonic() >= self._reconcile_at:
            await self.client.service_client.check_health(timeout=RPC_TIMEOUT)
            await self._reconcile()
            self._reconcile_at = time.monotonic() + _RECONCILE_SECONDS
        if time.monotonic() >= self._ensure_schedules_at:
            await self.schedules.ensure()
            self._ensure_schedules_at = time.monotonic() + _ENSURE_SCHEDULES_SECONDS
        async with self.database.lobby() as session:
            pending = await WorkflowQueue(session).claim_pending(_BATCH)
        if pending:
            await self._start_pending(pending)
        return len(pending) == _BATCH

    async def _start_pending(self, pending: Sequence[QueuedExecution]) -> None:
        results = await asyncio.gather(
            *(self._start(execution) for execution in pending), return_exceptions=True
        )
        started = [e.id for e, result in zip(pending, results, strict=True) if result is None]
        if started:
            async with self.database.lobby() as session:
                await WorkflowQueue(session).mark_running(started)
        _raise_first(results)

    async def _start(self, execution: QueuedExecution, *, again: bool = False) -> None:
        reuse = WorkflowIDReusePolicy
        try:
            await self.client.start_workflow(
                execution.kind.value,
                Execution(execution.id),
                id=workflow_id(execution),
                task_queue=self.task_queue,
                id_reuse_policy=reuse.ALLOW_DUPLICATE if again else reuse.REJECT_DUPLICATE,
                rpc_timeout=RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            # By another worker, or by this one before it was killed.
            return
        log.info("workflow_started", workflow_id=workflow_id(execution), again=again)

    async def _reconcile(self) -> None:
        async with self.database.lobby() as session:
            running = await WorkflowQueue(session).claim_running(_BATCH)
        _raise_first(
            await asyncio.gather(
                *(self._look_after(execution) for execution in running), return_exceptions=True
            )
        )

    async def _look_after(self, execution: QueuedExecution) -> None:
        status = await self._status(execution)
        if status in _ALIVE or not await self._is_open(execution):
            return
        if status is None or status is WorkflowExecutionStatus.COMPLETED:
            # Temporal lost its data, or PostgreSQL was restored from a backup.
            await self._start(execution, again=True)
        else:
            ended = status.name.replace("_", " ").lower()
            await self.outcomes.abandon(execution, f"The workflow was {ended}.")

    async def _status(self, execution: QueuedExecution) -> WorkflowExecutionStatus | None:
        handle = self.client.get_workflow_handle(workflow_id(execution))
        try:
            return (await handle.describe(rpc_timeout=RPC_TIMEOUT)).status
        except RPCError as exc:
            if exc.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def _is_open(self, execution: QueuedExecution) -> bool:
        async with self.database.lobby() as session:
            return await WorkflowQueue(session).is_open(execution.id)


def workflow_id(execution: QueuedExecution) -> str:
    """Return the id under which Temporal knows an execution."""
    return f"{execution.kind}-{execution.id}"


def _raise_first(results: Sequence[BaseException | None]) -> None:
    for result in results:
        if result is not None:
            raise result
