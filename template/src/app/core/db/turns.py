"""FIFO access to the connection pool, with a fair share for each tenant."""

import asyncio
from collections import Counter, deque
from contextlib import suppress
from time import monotonic
from typing import Final
from uuid import UUID

_ALONE_AFTER_SECONDS: Final = 60.0
"""For about so long a tenant that has asked counts as one of those that share."""


class Turns:
    """A limit on connections in use. Beyond half of them a tenant gets no more than its fair share.

    The share is the number of connections divided by the tenants that were active lately, so a single one gets all. The
    lobby (`None`) has no limit.
    """

    def __init__(self, connections: int) -> None:
        self._connections = self._free = connections
        self._held: Counter[UUID] = Counter()
        self._waiting: deque[tuple[asyncio.Future[None], UUID | None]] = deque()
        self._asked: set[UUID] = set()
        self._asked_before: set[UUID] = set()
        self._noted_since = monotonic()

    @property
    def none_is_free(self) -> bool:
        """Whether every connection is in use."""
        return self._free == 0

    async def wait(self, tenant: UUID | None, patience_seconds: float) -> None:
        """Return when it is the tenant's turn; `end` gives it back.

        Raises:
            TimeoutError: it did not come in time.
        """
        self._note(tenant)
        self._call_next()
        if self._may_take(tenant):
            self._take(tenant)
            return
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = called, tenant
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(patience_seconds):
                await called
        except BaseException:
            if called.done() and not called.cancelled():
                self.end(tenant)
            raise
        finally:
            with suppress(ValueError):
                self._waiting.remove(entry)

    def end(self, tenant: UUID | None) -> None:
        """Give a turn back."""
        self._free += 1
        if tenant is not None:
            self._held[tenant] -= 1
            if not self._held[tenant]:
                del self._held[tenant]
        self._call_next()

    def _take(self, tenant: UUID | None) -> None:
        self._free -= 1
        if tenant is not None:
            self._held[tenant] += 1

    def _may_take(self, tenant: UUID | None) -> bool:
        if self._free == 0:
            return False
        if tenant is None or self._free > self._connections // 2:
            return True
        sharing = max(len(self._asked), len(self._asked_before), 1)
        return self._held[tenant] < max(1, self._connections // sharing)

    def _call_next(self) -> None:
        for called, tenant in self._waiting:
            if self._free == 0:
                return
            if not called.done() and self._may_take(tenant):
                self._take(tenant)
                called.set_result(None)

    def _note(self, tenant: UUID | None) -> None:
        if (age := monotonic() - self._noted_since) > _ALONE_AFTER_SECONDS:
            self._asked_before = self._asked if age < 2 * _ALONE_AFTER_SECONDS else set()
            self._asked, self._noted_since = set(), monotonic()
        if tenant is not None:
            self._asked.add(tenant)
