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

from app.core.mail import MailDelayed, MailRefused
from app.services.background_failures import describe, may_pass

log = structlog.get_logger(__name__)

_ATTEMPTS_OF_ERRORS: Final = 3
"""How often something is tried that does not look like an outage; a race may look like an error once."""

_EXPECTED: Final = (MailDelayed, MailRefused)

_BEATS_PER_TIMEOUT: Final = 3


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
                final = _is_final(exc, info.attempt)
                error, unexplained = (
                    describe(exc),
                    not isinstance(exc, _EXPECTED) and not may_pass(exc),
                )
                log.warning("activity_failed", error=error, final=final, exc_info=unexplained)
                # No cause: tracebacks and messages of libraries quote addresses.
                raise ApplicationError(
                    error, type=type(exc).__name__, non_retryable=final
                ) from None
            log.info("activity_completed", seconds=round(time.monotonic() - began, 3))
            return result


def _is_final(exc: Exception, attempt: int) -> bool:
    if isinstance(exc, MailRefused):
        return True
    if isinstance(exc, MailDelayed) or may_pass(exc):
        return False
    return attempt >= _ATTEMPTS_OF_ERRORS


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
