"""Work that is repeated until the process ends."""

import asyncio
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

    async def run(self) -> None:
        """Repeat until cancelled; a step that returns `True` has more to do and is repeated at once."""
        failures = 0
        while True:
            try:
                more = await self.attempt()
            except Exception as exc:
                failures += 1
                if failures == 1:
                    # An outage is reported once.
                    log.warning("loop_interrupted", loop=self.name, error=describe(exc))
                # The exponent has a limit because floats do: there is none to how long an outage lasts.
                pause = min(2.0 ** min(failures - 2, 20), self.pause_seconds + _MAX_PAUSE_SECONDS)
            else:
                if failures:
                    log.info("loop_resumed", loop=self.name, failures=failures)
                failures = 0
                pause = 0 if more else self.pause_seconds
            await asyncio.sleep(pause)

    async def attempt(self) -> bool:
        """Take the step once."""
        return await self.step()
