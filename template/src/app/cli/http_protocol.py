"""HTTP/1.1 that gives up on a client which never ends its headers; uvicorn sets httptools no limit."""

import asyncio
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.core.settings import HttpSettings

PROTOCOL: Final = "app.cli.http_protocol:_BoundedProtocol"
"""For `uvicorn.Config(http=...)`, by name: workers get it from another process."""

_HEADERS_SECONDS: Final = 15.0
_LAST_HEADERS_SECONDS: Final = 1.0
"""For a client that has just connected to a process which ends."""
_SLACK_BYTES: Final = 64 * 1024
"""What one read may bring beyond the limit; the application answers a large but complete header itself."""

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def bounded_protocol(settings: HttpSettings) -> type[HttpToolsProtocol]:
    """Return the class that `PROTOCOL` names, with the limits of this process."""
    _BoundedProtocol.max_unfinished_bytes = settings.max_header_bytes + _SLACK_BYTES
    return _BoundedProtocol


class _BoundedProtocol(HttpToolsProtocol):
    max_unfinished_bytes: ClassVar[int]
    _unfinished_bytes = 0
    _deadline: asyncio.TimerHandle | None = None
    _ends = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._deadline is not None and not self.transport.is_closing():
            self._unfinished_bytes += len(data)
            if self._unfinished_bytes > self.max_unfinished_bytes:
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_headers()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()
        if self._ends:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        if self._deadline is None:
            super().shutdown()
        else:
            # Its request may be on the way: it would find the connection reset, and cannot know whether to try again.
            self._ends = True
            self._expect_headers(_LAST_HEADERS_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _expect_headers(self, seconds: float | None = None) -> None:
        self._stop_waiting()
        self._unfinished_bytes = 0
        self._deadline = self.loop.call_later(seconds or _HEADERS_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
