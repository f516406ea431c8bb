"""Work that is repeated until the process ends."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from app.services.background_failures import describe

log = structlog.get_logger(__name__)

_MAX_PAUSE_SECONDS: Final = 5.0


class Loop:
    """Repeats a step with pauses. A step that fails is tried again after at most five seconds more."""

    def __init__(
        self, name: str, step: Callable[[], Awaitable[bool]], *, pause_seconds: float
    ) -> None:
        self.name = name
        self.step = step
        self.pause_seconds = pause_seconds
        self.tried_at = time.monotonic()
        self.succeeded_at = float("-inf")

    async def run(self) -> None:
        """Repeat until cancelled; a step that returns `True` has more to do and is repeated at once."""
        failures = 0
        while True:
            self.tried_at = time.monotonic()
            try:
                more = await self.step()
            except Exception as exc:
                failures += 1
                if failures == 1:
                    # An outage is reported once.
                    log.warning("loop_interrupted", loop=self.name, error=describe(exc))
                pause = min(2.0 ** (failures - 2), self.pause_seconds + _MAX_PAUSE_SECONDS)
            else:
                if failures:
                    log.info("loop_resumed", loop=self.name, failures=failures)
                failures = 0
                self.succeeded_at = time.monotonic()
                pause = 0 if more else self.pause_seconds
            await asyncio.sleep(pause)

    def tried_within(self, seconds: float) -> bool:
        """Tell whether the last attempt began less than `seconds` beyond the pause ago."""
        return time.monotonic() - self.tried_at < self.pause_seconds + seconds

    def succeeded_within(self, seconds: float) -> bool:
        """Tell whether the last success is less than `seconds` beyond the pause ago."""
        return time.monotonic() - self.succeeded_at < self.pause_seconds + seconds
