"""Loops that can be asked how they are."""

import time
from collections.abc import Awaitable, Callable

from app.services.loops import Loop


class WatchedLoop(Loop):
    """Remembers when its step was last begun, and when it last succeeded."""

    def __init__(
        self, name: str, step: Callable[[], Awaitable[bool]], *, pause_seconds: float
    ) -> None:
        super().__init__(name, step, pause_seconds=pause_seconds)
        self.tried_at = time.monotonic()
        self.succeeded_at = float("-inf")

    async def attempt(self) -> bool:
        """Take the step once."""
        self.tried_at = time.monotonic()
        more = await super().attempt()
        self.succeeded_at = time.monotonic()
        return more

    def tried_within(self, seconds: float) -> bool:
        """Tell whether the last attempt began less than `seconds` beyond the pause ago."""
        return time.monotonic() - self.tried_at < self.pause_seconds + seconds

    def succeeded_within(self, seconds: float) -> bool:
        """Tell whether the last success is less than `seconds` beyond the pause ago."""
        return time.monotonic() - self.succeeded_at < self.pause_seconds + seconds
