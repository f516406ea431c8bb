"""How large a request may be."""

from typing import Final

from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import problem_response
from app.core.errors import AppError, BadRequest, BodyTooLarge, HeadersTooLarge
from app.core.settings import HttpSettings

_MAX_LENGTH_DIGITS: Final = 19
"""Of 64 bits. Python itself refuses to read a number of thousands of digits, which leading zeros can make."""


class RequestLimits:
    """Answers 431 to large headers and targets, 413 to large bodies, both before they are read.

    A body that does not tell its length is counted while it streams.
    """

    def __init__(self, app: ASGIApp, settings: HttpSettings) -> None:
        self.app = app
        self._max_header_bytes = settings.max_header_bytes
        self._max_body_bytes = settings.max_body_bytes
        self._counting = RequestBodyLimitMiddleware(app, max_body_size=settings.max_body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await problem_response(scope, refusal)(scope, receive, send)
        elif _tells_length(scope):
            await self.app(scope, receive, send)
        else:
            await self._counting(scope, receive, send)

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
        if int(body_bytes) > self._max_body_bytes:
            return BodyTooLarge(f"At most {self._max_body_bytes} bytes are read.")
        return None


def _tells_length(scope: Scope) -> bool:
    # Without either header an HTTP/1 request has no body; HTTP/2 needs neither for one.
    names = {name for name, _ in scope["headers"]}
    if b"transfer-encoding" in names:
        return False
    return b"content-length" in names or scope.get("http_version", "1.1").startswith("1")
