"""HTTP/1.1, and WebSockets, that give up on a client which never ends its headers or body, or never reads; uvicorn waits."""

import asyncio
import logging
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.api.live import ENDING
from app.core.settings import HttpSettings

PROTOCOL: Final = "app.cli.http_protocol:_BoundedProtocol"
"""For `uvicorn.Config(http=...)`, by name: workers get it from another process."""
SOCKETS: Final = "app.cli.http_protocol:_BoundedSocket"
"""For `uvicorn.Config(ws=...)`."""

_HEADERS_SECONDS: Final = 15.0
_LAST_HEADERS_SECONDS: Final = 1.0
"""For a client that has just connected to a process which ends."""
_SLACK_BYTES: Final = 64 * 1024
"""What one read may bring beyond the limit; the application answers a large but complete header itself."""

_BODY_SECONDS: Final = 60.0
_LEAST_SENT_BYTES: Final = 1024 * 1024
"""What a client has to send of its body in that time, if the rest is not less. How much is read, the route says."""
_BYTES_BESIDE_A_BYTE: Final = 8
"""What a chunked body may bring beside each byte of its own: sizes of chunks, their extensions, trailers."""
_FAREWELL_SECONDS: Final = 2.0
"""For a client that still sends what was answered already, so that it can read the answer before it is hung up on."""
_UNREAD_SECONDS: Final = 30.0
_LEAST_READ_BYTES: Final = 16 * 1024
"""What a client has to read of a waiting answer in that time."""

_MAX_LINE_BYTES: Final = 8 * 1000
"""Of a line of a handshake; `websockets` reads no more than 8 KiB, and that many lines, and answers nothing beyond."""
_MAX_LINES: Final = 128

_ENDING: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_QUIET: Final = logging.getLogger("uvicorn.error.sockets")


def bounded_protocol(settings: HttpSettings) -> type[HttpToolsProtocol]:
    """Return the class that `PROTOCOL` names, with the limits of this process."""
    _BoundedProtocol.max_unfinished_bytes = settings.max_header_bytes + _SLACK_BYTES
    _QUIET.setLevel(logging.WARNING)
    return _BoundedProtocol


class _BoundedProtocol(HttpToolsProtocol):
    max_unfinished_bytes: ClassVar[int]
    _unfinished_bytes = 0
    _deadline: asyncio.TimerHandle | None = None
    _ends = False
    _in_body = False
    _body_bytes = 0
    _bytes_due = 0
    _bytes_beside = 0
    _body_deadline: asyncio.TimerHandle | None = None
    _unread_bytes = 0
    _reader_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        was_in_body = self._in_body
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._deadline is not None:
            self._unfinished_bytes += len(data)
            if self._unfinished_bytes > self.max_unfinished_bytes:
                self.transport.write(_TOO_LARGE)
                self.transport.close()
        elif self._in_body:
            self._bytes_beside += len(data) if was_in_body else 0
            if self._bytes_beside > _SLACK_BYTES + _BYTES_BESIDE_A_BYTE * self._body_bytes:
                self.transport.abort()
            elif self._body_deadline is None or (
                self._body_bytes >= self._bytes_due and not self.cycle.response_complete
            ):
                self._stop_waiting_for_the_body()
                self._bytes_due = self._body_bytes + _LEAST_SENT_BYTES
                self._body_deadline = self.loop.call_later(_BODY_SECONDS, self.transport.abort)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_headers()

    def on_header(self, name: bytes, value: bytes) -> None:
        # What follows a chunked body are trailers: whoever looks at headers has done so already.
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._in_body, self._body_bytes, self._bytes_beside = True, 0, 0
        super().on_headers_complete()
        if self._ends and not self._should_upgrade():
            self.cycle.keep_alive = False

    def handle_websocket_upgrade(self) -> None:
        lines = [len(self.url), *(len(name) + len(value) for name, value in self.headers)]
        if self._ends:
            self.transport.write(_ENDING)
        elif len(lines) > _MAX_LINES or max(lines) > _MAX_LINE_BYTES:
            self.transport.write(_TOO_LARGE)
        else:
            super().handle_websocket_upgrade()
            return
        self.transport.close()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._bytes_beside -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._stop_waiting_for_the_body()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body and not self.transport.is_closing():
            # To close at once would reset the connection, and with it the answer.
            if self.transport.can_write_eof():
                self.transport.write_eof()
            self._stop_waiting_for_the_body()
            self._body_deadline = self.loop.call_later(_FAREWELL_SECONDS, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_the_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_watching_the_reader()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        # What was not read keeps a transport open that is closing.
        self._watch_the_reader()

    def shutdown(self) -> None:
        if self._deadline is None:
            self._end_the_stream()
            super().shutdown()
        else:
            # Its request may be on the way: it would find the connection reset, and cannot know whether to try again.
            self._ends = True
            self._expect_headers(_LAST_HEADERS_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_waiting_for_the_body()
        self._stop_watching_the_reader()
        super().connection_lost(exc)

    def _end_the_stream(self) -> None:
        # A cycle is the last request's, and there is none before the first.
        cycle: RequestResponseCycle | None = self.cycle
        ending = cycle and cycle.scope["state"].get(ENDING)
        if ending:
            ending.set()

    def _expect_headers(self, seconds: float | None = None) -> None:
        self._stop_waiting()
        self._unfinished_bytes = 0
        self._deadline = self.loop.call_later(seconds or _HEADERS_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_waiting_for_the_body(self) -> None:
        if self._body_deadline is not None:
            self._body_deadline.cancel()
            self._body_deadline = None

    def _watch_the_reader(self) -> None:
        self._stop_watching_the_reader()
        self._unread_bytes = self.transport.get_write_buffer_size()
        self._reader_deadline = self.loop.call_later(_UNREAD_SECONDS, self._look_at_the_reader)

    def _look_at_the_reader(self) -> None:
        if self.transport.get_write_buffer_size() > self._unread_bytes - _LEAST_READ_BYTES:
            self.transport.abort()
        else:
            self._watch_the_reader()

    def _stop_watching_the_reader(self) -> None:
        if self._reader_deadline is not None:
            self._reader_deadline.cancel()
            self._reader_deadline = None


class _BoundedSocket(WebSocketsSansIOProtocol):
    _reader_deadline: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Its lines quote the query; the application logs each socket without.
        self.logger = self.conn.logger = _QUIET

    def pause_writing(self) -> None:
        super().pause_writing()
        # Pings that are answered, and answers that are not read, would fill the memory.
        self.transport.pause_reading()
        self._reader_deadline = self.loop.call_later(_UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_watching_the_reader()
        if not self.read_paused:
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching_the_reader()
        super().connection_lost(exc)

    def _stop_watching_the_reader(self) -> None:
        if self._reader_deadline is not None:
            self._reader_deadline.cancel()
            self._reader_deadline = None
