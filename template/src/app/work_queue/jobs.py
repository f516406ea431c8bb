"""What a job of the queue does: one attempt at the execution that it names."""

from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from pgqueuer import Job, Queries, RetryRequested
from pgqueuer.models import Log

from app.models.public.workflow_executions import WorkflowKind
from app.repositories.public.workflow_queue import QueuedExecution
from app.services.background_failures import describe, may_pass
from app.services.workflow_attempts import Again, WorkflowAttempts

log = structlog.get_logger(__name__)

_AFTER_AN_OUTAGE: Final = timedelta(seconds=5)
_HISTORY: Final = 5000
"""More lines than the attempts at an execution leave, and the days of a grace period."""

_TOO_EARLY: Final = "too early"


class GivenUp(Exception):
    """An execution ended in failure; the message is one line without values."""


class Jobs:
    """Job by job. The queue keeps what is raised here, and the tracebacks with it: they name no cause."""

    def __init__(self, attempts: WorkflowAttempts, queries: Queries) -> None:
        self.attempts = attempts
        self.queries = queries

    async def run(self, job: Job) -> None:
        """Make the job's next attempt.

        Raises:
            RetryRequested: there is to be another one.
            GivenUp: the execution failed.
        """
        execution = execution_of(job)
        try:
            outcome = await self.attempts.make(execution, await self._attempt(job))
        except Exception as exc:
            # Its row was not reached, so nothing is recorded there yet.
            log.warning("attempt_interrupted", error=describe(exc), exc_info=not may_pass(exc))
            raise RetryRequested(_AFTER_AN_OUTAGE, describe(exc)) from None
        if isinstance(outcome, Again):
            raise RetryRequested(outcome.after, outcome.error or _TOO_EARLY)
        if outcome.error is not None:
            raise GivenUp(outcome.error)

    async def _attempt(self, job: Job) -> int:
        # The library counts retries alone: a job that kills its worker each time would be tried for ever.
        history = await self.queries.job_log_history(job.id, _HISTORY)
        begun = sum(line.status == "picked" for line in history)
        return begun - sum(map(_was_too_early, history))


def execution_of(job: Job) -> QueuedExecution:
    """Return the execution that a job stands for."""
    return QueuedExecution(
        id=UUID((job.payload or b"").decode()), kind=WorkflowKind(job.entrypoint)
    )


def _was_too_early(line: Log) -> bool:
    context = None if line.traceback is None else line.traceback.additional_context
    return context is not None and context["reason"] == _TOO_EARLY
