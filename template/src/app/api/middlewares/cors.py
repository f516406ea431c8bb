"""Which other origins' pages may call the API (the Fetch standard's CORS protocol)."""

from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from app.api.middlewares.request_tracking import REQUEST_ID_HEADER, checked_request_id
from app.api.middlewares.security_headers import security_headers
from app.core.settings import Settings

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_EXPOSED: Final = (
    "X-Request-ID",
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
)


class Cors(CORSMiddleware):
    """Starlette's middleware, for tokens in headers: credentials that browsers add are not allowed.

    It answers preflights itself, so these get their other headers here.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        super().__init__(
            app,
            allow_origins=settings.http.cors_origins,
            allow_methods=_METHODS,
            allow_headers=("*",),
            expose_headers=_EXPOSED,
        )
        self._security_headers = security_headers(settings)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Return the answer to an OPTIONS request that asks for permission."""
        response = super().preflight_response(request_headers)
        request_id = checked_request_id(dict(request_headers.raw))
        response.raw_headers += [
            *self._security_headers,
            (REQUEST_ID_HEADER, request_id.encode()),
        ]
        return response
