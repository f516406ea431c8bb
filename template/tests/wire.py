"""What passes between the service and a server, counted on the wire."""

from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import SecretStr

from tests.gate import Gate

_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104
_QUERY: Final = b"Q"
_EXECUTE: Final = b"E"


@dataclass(slots=True)
class Count:
    """What has passed since it was last asked for."""

    trips: int = 0
    """Client-to-server turns: what is sent before an answer has come is one."""
    connections: set[object] = field(default_factory=set)
    """Those that were used."""
    statements: int = 0
    """Of SQL; those that begin and end a transaction are some."""


class Wire(Gate):
    """Forwards a port of its own and counts. It cannot read what is encrypted."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._count = Count()
        self._answered: dict[object, bool] = {}

    @classmethod
    def to(cls, url: str) -> Self:
        """Return a wire to the server of a URL."""
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        return cls(parts.hostname, parts.port)

    def counted(self) -> Count:
        """Return what has passed, and count from nothing again."""
        count, self._count = self._count, Count()
        return count

    def overhear(self, client: object, data: bytes, *, from_client: bool) -> None:
        """Count a turn where the client speaks after the server, or first."""
        if from_client:
            self._count.trips += self._answered.get(client, True)
            self._count.connections.add(client)
        self._answered[client] = not from_client


class PostgresWire(Wire):
    """Counts statements as well, in PostgreSQL's protocol 3 ("Message Formats" in its manual)."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._unread: dict[object, bytearray] = {}
        self._started: set[object] = set()

    def overhear(self, client: object, data: bytes, *, from_client: bool) -> None:
        """Count the statements of simple queries, and each execution of a prepared one."""
        super().overhear(client, data, from_client=from_client)
        if from_client:
            unread = self._unread.setdefault(client, bytearray())
            unread += data
            while message := self._take(client, unread):
                self._count.statements += _statements(message)

    def _take(self, client: object, unread: bytearray) -> bytes:
        # Only the first messages of a connection have no type.
        head = 1 if client in self._started else 0
        if len(unread) < head + 4:
            return b""
        end = head + int.from_bytes(unread[head : head + 4])
        if len(unread) < end:
            return b""
        message = bytes(unread[:end])
        del unread[:end]
        if not head and int.from_bytes(message[4:8]) not in (_SSL_REQUEST, _GSS_REQUEST):
            self._started.add(client)
        return message


def through(wire: Wire, url: SecretStr) -> SecretStr:
    """Return a server's URL with the wire's port instead of its own."""
    parts = urlsplit(url.get_secret_value())
    user, at, _ = parts.netloc.rpartition("@")
    return SecretStr(parts._replace(netloc=f"{user}{at}127.0.0.1:{wire.port}").geturl())


def _statements(message: bytes) -> int:
    if message[:1] == _QUERY:
        # The service's simple queries hold no literal with a semicolon.
        return sum(bool(part.strip()) for part in message[5:-1].split(b";"))
    return int(message[:1] == _EXECUTE)
