"""The clock of a run, and waiting by it."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

PATIENCE_SECONDS: Final = 120.0
"""After that, what has not come counts as never."""

_LOOK_AGAIN_SECONDS: Final = 0.02


def now() -> float:
    """Return the monotonic clock's time, in seconds."""
    return monotonic()


async def happens(condition: Callable[[], Awaitable[bool]], within: float) -> bool:
    """Wait until a condition holds, and tell whether it did within so many seconds."""
    deadline = now() + within
    while True:
        if await condition():
            return True
        if now() > deadline:
            return False
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
