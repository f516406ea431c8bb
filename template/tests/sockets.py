"""What opens sockets, and leaves streams, as clients of a running service do."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.patience import PATIENCE_SECONDS
from tests.sending import SPOKEN, address

REFUSED: Final = 4000
"""A refusal closes an open socket with this plus its status."""
_EVENTS: Final = b"text/event-stream"
_EVENT_SECONDS: Final = 1.0
_GREETING_SECONDS: Final = 0.3


@asynccontextmanager
async def opened(
    port: int,
    path: str,
    *,
    tenant: str | None = "acme",
    token: str | None = None,
    headers: dict[str, str] | None = None,
    subprotocols: tuple[str, ...] = (),
) -> AsyncIterator[ClientConnection]:
    """Open a socket of `api/v1` as a page does, which has no headers to say whose it is."""
    url, naming = address("WEBSOCKET", path, tenant)
    host = naming.pop("Host", "testserver")
    said = [Subprotocol(each) for each in subprotocols]
    if token is not None:
        said += [Subprotocol("bearer"), Subprotocol(token)]
        for header, name in SPOKEN.items():
            named = (Subprotocol(name), Subprotocol(naming[header])) if header in naming else ()
            said += named
    async with connect(
        f"ws://{host}{url}",
        host="127.0.0.1",
        port=port,
        additional_headers=headers,
        subprotocols=said or None,
        proxy=None,
        open_timeout=PATIENCE_SECONDS,
        close_timeout=PATIENCE_SECONDS,
    ) as socket:
        yield socket


async def greeting_of(socket: ClientConnection) -> bytes:
    """Return what an open socket says by itself, if it does so soon."""
    with suppress(TimeoutError):
        return await asyncio.wait_for(socket.recv(decode=False), _GREETING_SECONDS)
    return b""


async def answer_of(socket: ClientConnection) -> httpx.Response:
    """Return how an open socket is closed, as the response that a route would have given."""
    await asyncio.wait_for(socket.wait_closed(), PATIENCE_SECONDS)
    code, reason = socket.close_code or 1006, socket.close_reason
    status = code - REFUSED if code > REFUSED else 200
    document = {"type": f"/problems/{reason}", "status": code, "detail": None}
    # A close has no headers.
    told = {"WWW-Authenticate": "Bearer", "Retry-After": "1"}
    return httpx.Response(status, json=document, headers=told)


def left_early(app: ASGIApp) -> ASGIApp:
    """Return the application for a client that leaves streams of events after the first one."""

    async def brief(scope: Scope, receive: Receive, send: Send) -> None:
        visit = _Visit(receive, send)
        await app(scope, visit.receive, visit.send)
        if visit.is_stream and visit.more:
            await send({"type": "http.response.body", "body": b""})

    return brief


class _Visit:
    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._left = asyncio.Event()
        self.is_stream, self.more = False, True

    async def send(self, message: Message) -> None:
        await self._send(message)
        if message["type"] == "http.response.start":
            self.is_stream = dict(message["headers"]).get(b"content-type", b"").startswith(_EVENTS)
            if self.is_stream:
                asyncio.get_running_loop().call_later(_EVENT_SECONDS, self._left.set)
        elif self.is_stream:
            self.more = message.get("more_body", False)
            self._left.set()

    async def receive(self) -> Message:
        works: tuple[Coroutine[Any, Any, Message], ...] = (self._next(), self._leave())
        tasks = [asyncio.create_task(work) for work in works]
        done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        return done.pop().result()

    async def _next(self) -> Message:
        return await self._receive()

    async def _leave(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}
