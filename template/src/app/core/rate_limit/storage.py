"""Where hits are counted."""

from typing import NamedTuple, Protocol

from limits import RateLimitItem


class Hit(NamedTuple):
    """One use of a limit by one key."""

    limit: RateLimitItem
    key: str
    given_back: bool = False
    """An earlier hit that does not count after all: the window has one less."""


class Window(NamedTuple):
    """A sliding window after a hit."""

    acquired: bool
    """The hit was within the limit and is counted; a refused one is not."""
    remaining: int
    reset_seconds: float
    """Until at least one more hit is possible."""


class RateLimitStorage(Protocol):
    """Counts hits in sliding windows."""

    async def hit(self, *hits: Hit) -> list[Window]:
        """Count each hit and return their windows in the same order."""
        ...

    async def close(self) -> None:
        """Give back connections and tasks."""
        ...
