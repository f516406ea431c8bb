"""Who asks, from where, and for what."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.context.client_address import ClientAddresses
from app.api.context.public_path import PublicPath
from app.api.context.request_context import RequestContext, current_request
from app.api.problems import problem_response
from app.core.errors import NotFound
from app.core.settings import Settings

_MAX_USER_AGENT: Final = 256


class RequestContextMiddleware:
    """Puts a `RequestContext` into `scope["state"]` and into a context variable, and `root_path` into the scope."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._addresses = ClientAddresses(settings.http.trusted_proxies)
        self._public_path = PublicPath(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        try:
            self._public_path.complete(scope)
        except NotFound as exc:
            await problem_response(scope, exc)(scope, receive, send)
            return
        context = RequestContext(
            request_id=scope["state"]["request_id"],
            # A handshake is a GET, and its scope has no method.
            method=scope.get("method", "GET"),
            path=scope["path"],
            client_address=self._addresses.address_of(scope),
            user_agent=_user_agent(scope),
        )
        scope["state"]["context"] = context
        token = current_request.set(context)
        try:
            await self.app(scope, receive, send)
        finally:
            current_request.reset(token)


def _user_agent(scope: Scope) -> str:
    value: bytes = dict(scope["headers"]).get(b"user-agent", b"")
    text = value[:_MAX_USER_AGENT].decode("latin-1")
    # PostgreSQL's text holds no NUL, and a terminal should see no control characters.
    return text if text.isprintable() else "".join(filter(str.isprintable, text))
