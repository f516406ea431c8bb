"""What counts the requests of this process, and what it counts them by."""

from functools import lru_cache
from ipaddress import IPv6Network
from typing import Final

from starlette.types import Scope

from app.core.rate_limit.limiter import RateLimiter

_KEY: Final = "rate_limiter"
_REMEMBERED: Final = 4096


def put_limiter(scope: Scope, limiter: RateLimiter) -> None:
    """Let what handles the request find the limiter."""
    scope["state"][_KEY] = limiter


def limiter_of(scope: Scope) -> RateLimiter:
    """Return the limiter that the middleware has put into the request."""
    limiter: RateLimiter = scope["state"][_KEY]
    return limiter


@lru_cache(maxsize=_REMEMBERED)
def limited_address(address: str | None) -> str:
    """Return what a rate limit counts for an address: an IPv6 client owns a whole /64."""
    if address is None or ":" not in address:
        return address or ""
    return str(IPv6Network((address, 64), strict=False))
