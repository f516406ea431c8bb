"""The clock of counters in the process's memory, which stands still until a test moves it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

_READ_BY: Final = (
    "limits.aio.storage.memory",
    "limits.aio.strategies",
    "app.core.rate_limit.in_process",
)


class LimiterClock:
    """Stands in for the module `time`; at first it is amid a second, a minute, an hour and a day."""

    def __init__(self) -> None:
        # The library's windows begin with the clock's: at their edge, a limit is for a moment one hit larger.
        self.now = 1_800_001_830.5

    def time(self) -> float:
        """Return the seconds since 1970."""
        return self.now


CLOCK: Final = LimiterClock()


@contextmanager
def standing_still() -> Iterator[LimiterClock]:
    """Give the counters this clock as long as the block runs."""
    with pytest.MonkeyPatch.context() as patch:
        for module in _READ_BY:
            patch.setattr(f"{module}.time", CLOCK)
        yield CLOCK
