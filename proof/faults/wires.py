"""A wire to PostgreSQL that kills the client which has just changed something."""

import asyncio
import os
import signal
from typing import Final

from tests.wire import Wire

_INSERTED: Final = b"INSERT 0 1\0"
_COMMITTED: Final = b"C\0\0\0\x0bCOMMIT\0"
"""PostgreSQL's CommandComplete ("Message Formats" in its manual)."""


class CommitWire(Wire):
    """Kills a process when a change of its has been committed, and before it hears of that."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.victim: int | None = None
        self.killed = asyncio.Event()
        self._changed: set[object] = set()

    def overhear(self, client: object, data: bytes, *, from_client: bool) -> None:
        """Wait for a commit that follows an insertion on the same connection."""
        if from_client or self.victim is None:
            return
        if _INSERTED in data:
            self._changed.add(client)
        if _COMMITTED in data and client in self._changed:
            os.killpg(self.victim, signal.SIGKILL)
            self.victim = None
            self.killed.set()
