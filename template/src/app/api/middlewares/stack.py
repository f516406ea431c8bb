"""The order of the middlewares, outermost first."""

from starlette.middleware import Middleware

from app.api.middlewares.cors import Cors
from app.api.middlewares.logging_context import LoggingContext
from app.api.middlewares.rate_limiting import RateLimiting
from app.api.middlewares.request_context import RequestContextMiddleware
from app.api.middlewares.request_limits import RequestLimits
from app.api.middlewares.request_tracking import RequestTracking, RunningRequests
from app.api.middlewares.security_headers import SecurityHeaders
from app.core.metrics import Metrics
from app.core.rate_limit.limiter import RateLimiter
from app.core.settings import Settings


def stack(
    settings: Settings, *, limiter: RateLimiter, metrics: Metrics, running: RunningRequests
) -> list[Middleware]:
    """Return the middlewares for `FastAPI(middleware=...)`.

    A middleware adds its headers to whatever those inside it answer: so 429, 413 and 500 have all.
    """
    cors = [Middleware(Cors, settings)] if settings.http.cors_origins else []
    rate_limiting = [Middleware(RateLimiting, limiter)] if limiter.enabled else []
    return [
        *cors,
        Middleware(SecurityHeaders, settings),
        Middleware(RequestTracking, running),
        Middleware(LoggingContext, metrics),
        Middleware(RequestContextMiddleware, settings),
        Middleware(RequestLimits, settings.http),
        *rate_limiting,
    ]
