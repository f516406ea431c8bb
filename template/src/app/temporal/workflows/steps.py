"""How workflows run activities: time limits, retries, and what is said about a failure."""

import asyncio
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, FailureError

from app.temporal.contract import Activity

MINUTES: Final = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=15),
    maximum_attempts=40,
)
"""About ten minutes, longer than a restart of PostgreSQL. Waiting for a worker does not count."""

HOURS: Final = RetryPolicy(
    initial_interval=timedelta(seconds=5),
    maximum_interval=timedelta(minutes=10),
    maximum_attempts=150,
)
"""About a day, for a mail server that is down or a schema that is in use."""

UNTIL_DONE: Final = RetryPolicy(
    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30)
)
"""For a row that says how the work ended; nothing but an outage can keep it from being written."""

GIVEN_UP: Final = (ActivityError, asyncio.CancelledError)
"""What ends a workflow early: no attempt is left, or an operator cancelled it."""

_HEARTBEAT_TIMEOUT: Final = timedelta(seconds=5)


async def run_step(
    activity: Activity,
    *args: Any,
    retries: RetryPolicy,
    at_most: timedelta = timedelta(minutes=2),
    result_type: type[Any] | None = None,
) -> Any:
    """Run an activity until it succeeds and return its result; `at_most` limits one attempt.

    Raises:
        ActivityError: no attempt is left, or there was no point in another one.
    """
    return await workflow.execute_activity(
        activity.value,
        args=args,
        result_type=result_type,
        start_to_close_timeout=at_most,
        # Tells a worker that died from one that is busy.
        heartbeat_timeout=_HEARTBEAT_TIMEOUT,
        retry_policy=retries,
    )


def reason(exc: BaseException) -> str:
    """Return what an operator reads about a step that was given up."""
    if not isinstance(exc, ActivityError):
        return "The workflow was cancelled."
    cause: BaseException = exc
    while cause.__cause__ is not None:
        cause = cause.__cause__
    message = cause.message if isinstance(cause, FailureError) else str(cause)
    return f"{exc.activity_type}: {message}"
