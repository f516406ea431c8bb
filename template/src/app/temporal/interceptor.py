"""What surrounds every activity: heartbeats, a log line, and failures that keep secrets out of the history."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from app.services.background_failures import describe, is_explained, is_final
from app.temporal.contract import Activity

log = structlog.get_logger(__name__)

_BEATS_PER_TIMEOUT: Final = 3

_TRIED_TO_THE_LAST: Final = (
    # A deletion that was given up requests the next one at once, which would fail in the same way.
    Activity.READ_DUE_DATE,
    Activity.DROP_TENANT,
    # Without them nobody learns how it ended, or what has been done is done again.
    Activity.COMPLETE_EXECUTION,
    Activity.FAIL_EXECUTION,
    Activity.FAIL_PROVISIONING,
    Activity.FAIL_DELETION,
)
"""By the workflow's policy alone, whatever their failures look like."""


class ActivityInterceptor(Interceptor):
    """For the worker."""

    def __init__(self) -> None:
        # It would repeat each failure that is logged here.
        logging.getLogger("temporalio.activity").setLevel(logging.ERROR)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap an activity."""
        return _Inbound(next)


class _Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(
            workflow_id=info.workflow_id, activity=info.activity_type, attempt=info.attempt
        ):
            try:
                async with _heartbeats(info):
                    result = await self.next.execute_activity(input)
            except Exception as exc:
                error = describe(exc)
                final = info.activity_type not in _TRIED_TO_THE_LAST and is_final(exc, info.attempt)
                log.warning(
                    "activity_failed", error=error, final=final, exc_info=not is_explained(exc)
                )
                # No cause: tracebacks and messages of libraries quote addresses.
                raise ApplicationError(
                    error, type=type(exc).__name__, non_retryable=final
                ) from None
            log.info("activity_completed", seconds=round(time.monotonic() - began, 3))
            return result


@asynccontextmanager
async def _heartbeats(info: activity.Info) -> AsyncIterator[None]:
    if info.heartbeat_timeout is None:
        yield
        return
    seconds = info.heartbeat_timeout.total_seconds() / _BEATS_PER_TIMEOUT
    task = asyncio.create_task(_beat(seconds))
    try:
        yield
    finally:
        task.cancel()


async def _beat(seconds: float) -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(seconds)
