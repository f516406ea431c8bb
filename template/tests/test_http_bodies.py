"""What the server does with bodies that do not end, with what comes after them, and with clients that do not read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from app.cli import http_protocol
from tests import background
from tests.http_server import served
from tests.patience import PATIENCE_SECONDS
from tests.probe import Probe
from tests.sections import probe_settings

CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"a" * 64 * 1024
SENT_AT_MOST = 8 * 1024 * 1024
"""Beyond what the server may read before it hangs up: the buffers of both ends hold some as well."""


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the headers that there are when the body has ended, and the body's length."""
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = f"{length} {sorted(name.decode() for name, _ in scope['headers'])}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def state() -> ServerState:
    """What the server knows of its connections."""
    return ServerState()


@pytest.fixture
async def port(state: ServerState) -> AsyncIterator[int]:
    async with served(application, state) as port:
        yield port


async def sent_without_end(port: int, start: bytes, piece: bytes) -> int:
    """Send until the server hangs up, and return how many bytes it was."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    try:
        writer.write(start)
        while sent < SENT_AT_MOST and not reader.at_eof():
            writer.write(piece)
            sent += len(piece)
            await writer.drain()
            await asyncio.sleep(0)
    except ConnectionError:
        pass
    writer.transport.abort()
    return sent


async def test_trailers_are_no_headers(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    trailers = b"X-Forwarded-For: 6.6.6.6\r\nAuthorization: Bearer x\r\n"
    writer.write(CHUNKED + b"2\r\nab\r\n0\r\n" + trailers + b"\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"2 ['host', 'transfer-encoding']" in await reader.readuntil(b"]")

    # And the next request has its own alone.
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    assert b"0 ['host']" in await reader.readuntil(b"]")
    writer.close()


ENDLESS = {
    "trailers": (b"0\r\n", b"X-T: " + PIECE + b"\r\n"),
    "one trailer": (b"0\r\nX-T: ", PIECE),
    "a chunk's extension": (b"2;", PIECE),
    "extensions of small chunks": (b"", b"1;" + b"a" * 4096 + b"\r\nx\r\n"),
}


@pytest.mark.parametrize("kind", ENDLESS)
async def test_what_comes_beside_a_body_is_bounded(port: int, kind: str) -> None:
    start, piece = ENDLESS[kind]
    assert await sent_without_end(port, CHUNKED + start, piece) < SENT_AT_MOST


async def test_a_body_in_the_smallest_chunks_is_taken(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(CHUNKED + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    await reader.readuntil(b"\r\n\r\n")
    assert b"50000 " in await reader.readuntil(b"]")
    writer.close()


@pytest.mark.parametrize("kind", [b"Transfer-Encoding: chunked", b"Content-Length: 9"])
async def test_a_body_that_does_not_come_ends_the_connection(
    port: int, monkeypatch: pytest.MonkeyPatch, kind: bytes
) -> None:
    monkeypatch.setattr(http_protocol, "_BODY_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n" + kind + b"\r\n\r\n2")
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == b""
    writer.close()


async def test_a_body_that_goes_on_steadily_is_waited_for(
    port: int, state: ServerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "_LEAST_SENT_BYTES", len(PIECE))
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (9 * len(PIECE)))

    async def sent(data: bytes) -> float:
        before = sum(each._body_bytes for each in connections())
        writer.write(data)

        async def has_arrived() -> bool:
            return sum(each._body_bytes for each in connections()) == before + len(data)

        await background.eventually(has_arrived)
        [connection] = connections()
        assert connection._body_deadline
        return connection._body_deadline.when()

    def connections() -> list[http_protocol._BoundedProtocol]:
        return [
            each for each in state.connections if isinstance(each, http_protocol._BoundedProtocol)
        ]

    first = await sent(b"a")
    assert await sent(PIECE[:-2]) == first, "too little to wait longer"
    assert first < await sent(PIECE) < await sent(2 * PIECE)
    writer.transport.abort()


async def test_who_is_told_that_a_body_is_too_large_is_hung_up_on(
    state: ServerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "_FAREWELL_SECONDS", 0.05)
    async with served(Probe(probe_settings()).app, state) as port:
        head = b"POST /raw HTTP/1.1\r\nHost: testserver\r\nContent-Length: 99999999\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + PIECE)
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")

        async def is_hung_up_on() -> bool:
            writer.write(PIECE)
            return not state.connections

        await background.eventually(is_hung_up_on)
        writer.transport.abort()


async def test_who_is_told_that_headers_are_too_large_is_hung_up_on(state: ServerState) -> None:
    async with served(Probe(probe_settings()).app, state) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        filler = b"X-A: " + b"a" * 40_000
        writer.write(b"GET /whoami HTTP/1.1\r\nHost: testserver\r\n" + filler + b"\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)).startswith(
            b"HTTP/1.1 431 "
        )
        writer.close()


ANSWER_BYTES = 16 * 1024 * 1024


async def large(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a" * ANSWER_BYTES})


async def test_who_reads_an_answer_is_waited_for_and_who_does_not_is_let_go(
    state: ServerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The test itself looks.
    monkeypatch.setattr(http_protocol, "_UNREAD_SECONDS", 2 * PATIENCE_SECONDS)

    async def is_watched() -> bool:
        return any(connection._reader_deadline for connection in protocols())

    def has_read() -> bool:
        [connection] = protocols()
        unsent = connection.transport.get_write_buffer_size()
        return unsent <= connection._unread_bytes - http_protocol._LEAST_READ_BYTES

    async def nobody_is_connected() -> bool:
        return not state.connections

    def protocols() -> list[http_protocol._BoundedProtocol]:
        return [
            each for each in state.connections if isinstance(each, http_protocol._BoundedProtocol)
        ]

    async with served(large, state) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await background.eventually(is_watched)
        for _ in range(3):
            while not has_read():
                await reader.read(64 * 1024)
            [connection] = protocols()
            connection._look_at_the_reader()
            assert not connection.transport.is_closing()

        connection._look_at_the_reader()
        await background.eventually(nobody_is_connected)
        writer.transport.abort()


async def test_an_answer_that_nobody_has_read_is_looked_at_as_long_as_the_connection_is_open(
    state: ServerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "_UNREAD_SECONDS", 0.05)

    async def nobody_is_connected() -> bool:
        return not state.connections

    async with served(large, state) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readline()
        await background.eventually(nobody_is_connected)
        writer.transport.abort()
