"""Starts a workflow for each requested execution, and looks after those that run."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from app.core.db.database import Database
from app.repositories.public.workflow_dispatch import WorkflowDispatch
from app.repositories.public.workflow_queue import QueuedExecution, WorkflowQueue
from app.services.workflow_outcomes import WorkflowOutcomes
from app.temporal.client import RPC_TIMEOUT
from app.temporal.contract import Execution

log = structlog.get_logger(__name__)

_BATCH: Final = 20

_ALIVE: Final = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW)


class Dispatcher:
    """One in each worker. Several do no harm: a workflow's id is that of its execution."""

    def __init__(
        self, client: Client, task_queue: str, database: Database, outcomes: WorkflowOutcomes
    ) -> None:
        self.client = client
        self.task_queue = task_queue
        self.database = database
        self.outcomes = outcomes

    async def start_pending(self) -> bool:
        """Start the oldest pending executions, and tell whether there may be more."""
        async with self.database.lobby() as session:
            pending = await WorkflowDispatch(session).claim_pending(_BATCH)
        results = await asyncio.gather(
            *(self._start(execution) for execution in pending), return_exceptions=True
        )
        outcomes = list(zip(pending, results, strict=True))
        if pending:
            async with self.database.lobby() as session:
                queue = WorkflowDispatch(session)
                await queue.mark_running([e.id for e, result in outcomes if result is None])
                await queue.release([e.id for e, result in outcomes if result is not None])
        _raise_first(results)
        return len(pending) == _BATCH

    async def reconcile(self) -> bool:
        """Compare the executions that run with what Temporal knows, and tell whether there may be more.

        What Temporal lost is started again; what ended there without its last step is recorded as failed.
        """
        # Nothing may be running, and an outage is to be noticed all the same.
        await self.client.service_client.check_health(timeout=RPC_TIMEOUT)
        async with self.database.lobby() as session:
            running = await WorkflowDispatch(session).claim_running(_BATCH)
        _raise_first(
            await asyncio.gather(
                *(self._look_after(execution) for execution in running), return_exceptions=True
            )
        )
        return len(running) == _BATCH

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
