"""Rate limits counted by the process itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.limiter_clock import CLOCK, standing_still


@contextmanager
def counting() -> Iterator[dict[str, Any]]:
    """Yield the sections of the settings with which limits are really counted."""
    with standing_still():
        yield {}


async def let_pass(_sections: dict[str, Any], seconds: float) -> None:
    """Make everything that was counted so much older."""
    CLOCK.now += seconds
