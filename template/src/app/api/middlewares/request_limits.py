"""How large a request may be."""

from typing import Final

from starlette.middleware.body_limit import RequestBodyLimitResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import FrameworkError, problem_response
from app.core.errors import AppError, BadRequest, HeadersTooLarge
from app.core.settings import HttpSettings

_MAX_LENGTH_DIGITS: Final = 19
"""Of 64 bits. Python itself refuses to read a number of thousands of digits, which leading zeros can make."""


class RequestLimits:
    """Answers 431 to large headers and targets, and lets a route read no more of a body than its limit.

    A route, or a router, has the setting's limit or its own `max_body_size`. A body that tells its length is refused
    unread, another one is counted while it streams.
    """

    def __init__(self, app: ASGIApp, settings: HttpSettings) -> None:
        self.app = app
        self._max_header_bytes = settings.max_header_bytes
        self._max_body_bytes = settings.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await problem_response(scope, refusal)(scope, receive, send)
        elif _has_body(scope):
            await _BodyLimit(self.app, self._max_body_bytes)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _refusal(self, scope: Scope) -> AppError | None:
        header_bytes = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
        body_bytes = b"0"
        for name, value in scope["headers"]:
            header_bytes += len(name) + len(value)
            if name == b"content-length":
                body_bytes = value
        if header_bytes > self._max_header_bytes:
            return HeadersTooLarge(f"At most {self._max_header_bytes} bytes are read.")
        if not body_bytes.isdigit() or len(body_bytes) > _MAX_LENGTH_DIGITS:
            return BadRequest("Content-Length is not a number of at most 19 digits.")
        return None


class _BodyLimit(RequestBodyLimitResponder):
    async def receive_with_limit(self) -> Message:
        try:
            return await super().receive_with_limit()
        except FrameworkError as exc:
            exc.detail = f"At most {self.max_body_size} bytes are read."
            raise

    async def send_with_limit(self, message: Message) -> None:
        # Starlette would answer in plain text here; what the service answers is a problem, or needs no body.
        self.response_started |= message["type"] == "http.response.start"
        await self.send(message)


def _has_body(scope: Scope) -> bool:
    # Without either header an HTTP/1 request has no body; HTTP/2 needs neither for one.
    names = {name for name, _ in scope["headers"]}
    if b"content-length" in names or b"transfer-encoding" in names:
        return True
    return not scope.get("http_version", "1.1").startswith("1")
