"""Headers that tell browsers what an answer may do (OWASP HTTP Headers Cheat Sheet)."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.context.public_path import route_path_of
from app.api.context.request_context import STARTS
from app.core.settings import Settings

type HeaderList = list[tuple[bytes, bytes]]

_DOCS: Final = ("/docs", "/docs/oauth2-redirect", "/redoc")
_DATA_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Swagger UI and ReDoc start from an inline script; ReDoc searches in a worker made from a blob.
_DOCS_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_COMMON: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(),"
        " magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_HSTS: Final = {"Strict-Transport-Security": "max-age=63072000; includeSubDomains"}


def security_headers(settings: Settings, policy: str = _DATA_POLICY) -> HeaderList:
    """Return the headers as ASGI wants them; HSTS only where clients come over HTTPS."""
    headers = _COMMON | {"Content-Security-Policy": policy}
    if settings.environment == "production" and settings.public_url.startswith("https://"):
        headers |= _HSTS
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


class SecurityHeaders:
    """Adds the headers to every response; one that the route has set itself stays.

    Answers are data, which must load nothing at all, but for the documentation and the pages for people, which
    bring a policy of their own.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._data = security_headers(settings)
        self._names = frozenset(name for name, _ in self._data)
        self._by_path = dict.fromkeys(_DOCS, security_headers(settings, _DOCS_POLICY))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] in STARTS:
                ours = self._by_path.get(route_path_of(scope), self._data)
                theirs = message.get("headers", ())
                kept = self._names.intersection(name.lower() for name, _ in theirs)
                added = [header for header in ours if header[0] not in kept] if kept else ours
                message["headers"] = [*theirs, *added]
            await send(message)

        await self.app(scope, receive, send_with_headers)
