"""What the server does with clients that do not end their headers, or say one thing to it and another to a proxy."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from app.cli import http_protocol
from app.cli.api import SERVER
from tests import background
from tests.http_server import served
from tests.patience import PATIENCE_SECONDS
from tests.probe import Probe
from tests.sections import probe_settings

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"


async def application(_scope: Scope, receive: Receive, send: Send) -> None:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    length = str(len(body)).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
    )
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def state() -> ServerState:
    """What the server knows of its connections."""
    return ServerState()


@pytest.fixture
async def port(state: ServerState) -> AsyncIterator[int]:
    async with served(application, state) as port:
        yield port


async def test_headers_without_an_end_are_refused(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"X-Filler: " + b"a" * 200_000)

    assert (await reader.readline()).startswith(b"HTTP/1.1 431 ")
    writer.transport.abort()


async def test_a_client_that_goes_silent_is_hung_up_on(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "_HEADERS_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD)

    assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == b""
    writer.close()


async def expects_headers(state: ServerState) -> bool:
    """Tell whether the only connection is closed soon unless headers come."""
    [connection] = state.connections
    assert isinstance(connection, http_protocol._BoundedProtocol)
    return connection._deadline is not None


async def test_one_connection_serves_many_requests(port: int, state: ServerState) -> None:
    reader, writer = await connected(port, state)
    assert await expects_headers(state)
    for _ in range(3):
        writer.write(HEAD + b"\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        await reader.readuntil(b"\r\n\r\n")
        assert not await expects_headers(state), "the next request may take its time"
    writer.close()


async def test_a_slow_body_is_waited_for(port: int, state: ServerState) -> None:
    async def waits_for_the_rest() -> bool:
        return not await expects_headers(state)

    reader, writer = await connected(port, state)
    writer.write(HEAD + b"Content-Length: 200000\r\n\r\n" + b"a" * 100_000)
    await background.eventually(waits_for_the_rest)
    writer.write(b"a" * 100_000)

    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.transport.abort()


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1\r\nX-A: a\rInjected: b",
        "GET / HTTP/1.1\r\nX-A: a\nInjected: b",
        "GET / HTTP/1.1\r\nX-A: a\0b",
        "GET / HTTP/1.1\r\nX-A: a\r\n folded",
        "GET / HTTP/1.1\r\nX A: a",
        "GET / HTTP/1.1\r\nX-A : a",
        "GET / HTTP/1.1\r\n: a",
        "GET / HTTP/1.1\nHost: x",
        "GET /\0 HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET / HTTP/9.9",
        "CONNECT evil.test:443 HTTP/1.1",
        "PRI * HTTP/2.0",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2",
        "POST / HTTP/1.1\r\nContent-Length: 1, 1",
        "POST / HTTP/1.1\r\nContent-Length: +1",
        "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity",
        "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked",
        "POST / HTTP/1.1\r\nTransfer-Encoding : chunked",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\r\n0",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxx",
    ],
    ids=repr,
)
async def test_what_a_proxy_could_read_in_another_way_is_refused(port: int, head: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{head}\r\n\r\n".encode() + HEAD + b"\r\n")
    answer = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1, "nothing that follows on the connection is read"
    writer.close()


@pytest.mark.parametrize(
    ("target", "status"),
    [("http://evil.test/health/live", 200), ("https://u:p@evil.test:9/nothing", 404)]
    + [
        (target, 400) for target in ("http://evil.test", "http://evil.test?a=b", "evil.test/whoami")
    ],
)
async def test_of_a_whole_url_the_path_alone_counts(
    state: ServerState, target: str, status: int
) -> None:
    probe = Probe(probe_settings())
    answer = await asked(probe, state, f"GET {target} HTTP/1.1")

    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert "evil" not in f"{answer.decode()} {probe.log.getvalue()}"


@pytest.mark.parametrize(
    ("length", "status"), [(b"0" * 5000 + b"20", 400), (b"0" * 18 + b"2", 200), (b"9" * 19, 413)]
)
async def test_a_length_of_many_digits_is_no_crash(
    state: ServerState, length: bytes, status: int
) -> None:
    probe = Probe(probe_settings())
    head = f"POST /raw HTTP/1.1\r\nContent-Length: {length.decode()}"
    answer = await asked(probe, state, head, body="ab")

    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer


async def test_the_server_itself_believes_no_proxy(state: ServerState) -> None:
    forwarded = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: evil"
    answer = await asked(Probe(probe_settings()), state, f"GET /whoami HTTP/1.1\r\n{forwarded}")

    assert b'"address":"127.0.0.1"' in answer


async def asked(probe: Probe, state: ServerState, head: str, body: str = "") -> bytes:
    """Return all that the connection brings."""
    async with served(probe.app, state) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{head}\r\nHost: testserver\r\nConnection: close\r\n\r\n{body}".encode())
        answer = await reader.read()
        writer.close()
    return answer


async def connected(
    port: int, state: ServerState
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, and wait until the server knows of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not state.connections:  # noqa: ASYNC110  a set of uvicorn's, which sends no event
        await asyncio.sleep(0)
    return reader, writer


def end(state: ServerState) -> None:
    """Do what the server does to its connections when its process ends."""
    for connection in list(state.connections):
        connection.shutdown()


async def test_who_has_just_connected_to_a_process_that_ends_is_answered(
    port: int, state: ServerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "_LAST_HEADERS_SECONDS", PATIENCE_SECONDS)
    reader, writer = await connected(port, state)
    end(state)
    writer.write(HEAD + b"\r\n")

    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    assert b"connection: close\r\n" in await reader.read(), "and told that it was the last one"
    writer.close()


async def test_it_does_not_wait_long(
    port: int, state: ServerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "_HEADERS_SECONDS", 2 * PATIENCE_SECONDS)
    monkeypatch.setattr(http_protocol, "_LAST_HEADERS_SECONDS", 0.05)
    reader, writer = await connected(port, state)
    end(state)

    assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == b""
    writer.close()


async def test_an_idle_connection_is_closed_at_once(
    port: int, state: ServerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "_LAST_HEADERS_SECONDS", 2 * PATIENCE_SECONDS)
    reader, writer = await connected(port, state)
    writer.write(HEAD + b"\r\n")
    await reader.readuntil(b"\r\n\r\n")
    end(state)

    # Well before an idle connection is closed in any case.
    assert await asyncio.wait_for(reader.read(), SERVER["timeout_keep_alive"] - 30) == b""
    writer.close()


UPGRADE = HEAD + (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
PING = b"\x89\xfd\0\0\0\0" + b"a" * 125


async def socket(_scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


@pytest.mark.parametrize(
    "header", [b"X-Filler: " + b"a" * 8200, b"\r\n".join(b"X-%d: a" % n for n in range(130))]
)
async def test_a_handshake_that_would_not_be_answered(port: int, header: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(UPGRADE + header + b"\r\n\r\n")

    assert (await reader.readline()).startswith(b"HTTP/1.1 431 ")
    writer.close()


async def test_a_socket_that_comes_when_the_process_ends(port: int, state: ServerState) -> None:
    reader, writer = await connected(port, state)
    end(state)
    writer.write(UPGRADE + b"\r\n")

    assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
    writer.close()


async def test_a_client_that_pings_and_never_reads_is_hung_up_on(
    state: ServerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "_UNREAD_SECONDS", 0.05)
    async with served(socket, state) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(UPGRADE + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(ping_on(writer), PATIENCE_SECONDS)
        writer.close()


async def ping_on(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(PING * 1000)
        await writer.drain()
