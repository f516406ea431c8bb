"""What a job of the queue does: one attempt at the execution that it names."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import takewhile
from typing import Final
from uuid import UUID

import structlog
from pgqueuer import Job, Queries, RetryRequested
from pgqueuer.models import Log

from app.models.public.workflow_executions import WorkflowKind
from app.repositories.public.workflow_queue import QueuedExecution
from app.services.background_failures import describe, may_pass
from app.services.workflow_attempts import Again, NotBegun, Retries, WorkflowAttempts

log = structlog.get_logger(__name__)

_AFTER_A_MISTAKE: Final = timedelta(seconds=5)
_UNTIL_IT_BEGINS: Final = Retries(timedelta(seconds=5), timedelta(minutes=1), attempts=0)
"""Without end: the queue can be there while the application's own connections are not."""

_HISTORY: Final = 5000
"""More lines than the attempts at an execution leave, the days of a grace period, and the minutes of a long outage."""

_TOO_EARLY: Final = "too early"
_NOT_BEGUN: Final = "not begun: "


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
            history = await self.queries.job_log_history(job.id, _HISTORY)
            reasons = _reasons(history)
            outcome = await self.attempts.make(execution, _attempt(history, reasons))
        except NotBegun as exc:
            raise _not_begun(exc.cause, reasons) from None
        except Exception as exc:
            # The queue did not tell what was tried, or the row could not be told how it ended.
            _report(exc)
            raise RetryRequested(_AFTER_A_MISTAKE, describe(exc)) from None
        if isinstance(outcome, Again):
            raise RetryRequested(outcome.after, outcome.error or _TOO_EARLY)
        if outcome.error is not None:
            raise GivenUp(outcome.error)


def execution_of(job: Job) -> QueuedExecution:
    """Return the execution that a job stands for."""
    return QueuedExecution(
        id=UUID((job.payload or b"").decode()), kind=WorkflowKind(job.entrypoint)
    )


def _attempt(history: Sequence[Log], reasons: Sequence[str]) -> int:
    # The library counts retries alone: a job that kills its worker each time would be tried for ever.
    begun = sum(line.status == "picked" for line in history)
    return begun - sum(reason.startswith((_TOO_EARLY, _NOT_BEGUN)) for reason in reasons)


def _reasons(history: Sequence[Log]) -> list[str]:
    contexts = [line.traceback.additional_context for line in history if line.traceback is not None]
    return [str(context["reason"]) for context in contexts if context is not None]


def _not_begun(cause: Exception, reasons: Sequence[str]) -> RetryRequested:
    _report(cause)
    in_vain = takewhile(lambda reason: reason.startswith(_NOT_BEGUN), reversed(reasons))
    pause = _UNTIL_IT_BEGINS.pause_after(1 + sum(1 for _ in in_vain))
    return RetryRequested(pause, _NOT_BEGUN + describe(cause))


def _report(exc: Exception) -> None:
    log.warning("attempt_interrupted", error=describe(exc), exc_info=None if may_pass(exc) else exc)
