"""A correlation id for each request, a count of those that run, and an answer to each crash."""

import asyncio
import re
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.context.request_context import STARTS
from app.api.problems import problem_response
from app.core.db.failures import hint_of
from app.core.errors import AppError, Unavailable

REQUEST_ID_HEADER: Final = b"x-request-id"
ALWAYS_ANSWERED: Final = frozenset({"/health/live", "/metrics"})

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class ResponseAborted(Exception):
    """A route failed after its response had begun; the server closes the connection."""


class RunningRequests:
    """Counts the requests that run, and can turn new ones away until they have finished."""

    def __init__(self) -> None:
        self.count = 0
        self.draining = False
        self._finished = asyncio.Event()

    def begin_drain(self) -> None:
        """Answer new requests with 503 from now on, on connections that close after it."""
        self.draining = True
        if not self.count:
            self._finished.set()

    async def finished(self, timeout: timedelta) -> bool:  # noqa: ASYNC109  its outcome is no error
        """Wait after `begin_drain` for the last request; `False` if some still run at the timeout."""
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await self._finished.wait()
        except TimeoutError:
            return False
        return True

    def started_one(self) -> None:
        """Count a request."""
        self.count += 1

    def finished_one(self) -> None:
        """Count a request off."""
        self.count -= 1
        if self.draining and not self.count:
            self._finished.set()


def checked_request_id(headers: Mapping[bytes, bytes]) -> str:
    """Return the client's `X-Request-ID` if it is 1-128 of `A-Za-z0-9._-`, else a new one."""
    given = headers.get(REQUEST_ID_HEADER, b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


class RequestTracking:
    """Puts the correlation id into `scope["state"]` and the response, and answers crashes with 500.

    In development the answer says what to do, where that is known. The traceback is left to the logging middleware inside, which still has the request's context.
    """

    def __init__(self, app: ASGIApp, running: RunningRequests, *, hints: bool = False) -> None:
        self.app = app
        self._running = running
        self._hints = hints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        request_id = checked_request_id(dict(scope["headers"]))
        scope.setdefault("state", {})["request_id"] = request_id
        draining = self._running.draining and scope["path"] not in ALWAYS_ANSWERED
        added = [(REQUEST_ID_HEADER, request_id.encode())]
        if draining:
            added.append((b"connection", b"close"))
        response_started = False

        async def send_tracked(message: Message) -> None:
            nonlocal response_started
            if message["type"] in STARTS:
                response_started = True
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        if draining:
            refusal = problem_response(scope, Unavailable("The service is shutting down."))
            await refusal(scope, receive, send_tracked)
            return
        self._running.started_one()
        try:
            await self.app(scope, receive, send_tracked)
        except Exception as exc:
            if response_started:
                raise ResponseAborted(type(exc).__name__) from None
            problem = AppError(hint_of(exc) if self._hints else None)
            await problem_response(scope, problem)(scope, receive, send_tracked)
        finally:
            self._running.finished_one()
