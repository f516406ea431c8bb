"""How often one client may ask; stricter limits belong to the routes that need them."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.context.client_address import limited_address
from app.api.context.request_context import RequestContext
from app.api.problems import problem_response
from app.core.errors import RateLimited
from app.core.rate_limit.limiter import RateLimiter

_EXEMPT: Final = ("/health/", "/metrics")


class RateLimiting:
    """Counts each request of a client address and tells the rest in `RateLimit-*` headers.

    The headers are those of draft-ietf-httpapi-ratelimit-headers-07, the last version with a
    header for each number, which is the one that clients know.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter) -> None:
        self.app = app
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_EXEMPT):
            await self.app(scope, receive, send)
            return
        address = limited_address(RequestContext.of(scope).client_address)
        decision = await self._limiter.hit("client", address)
        added = (
            (b"ratelimit-limit", b"%d" % decision.limit),
            (b"ratelimit-remaining", b"%d" % decision.remaining),
            (b"ratelimit-reset", b"%d" % decision.reset_seconds),
        )

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        if decision.allowed:
            await self.app(scope, receive, send_with_headers)
            return
        refusal = RateLimited(retry_after_seconds=max(1, decision.reset_seconds))
        await problem_response(scope, refusal)(scope, receive, send_with_headers)
