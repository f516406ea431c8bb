"""Rate limiters on a server of the test's own."""

from app.core.rate_limit.backend import create_rate_limiter
from app.core.rate_limit.limiter import RateLimiter
from tests.probe import probe_settings
from tests.valkey import ValkeyProcess

PATIENT_SECONDS = 5.0
"""For tests whose server is well, while the machine may be busy."""


def limiter_for(
    server: ValkeyProcess, *, timeout_seconds: float = PATIENT_SECONDS, **limits: str
) -> RateLimiter:
    return create_rate_limiter(
        probe_settings(
            redis={"url": server.url, "timeout": timeout_seconds},
            rate_limits={"enabled": True} | limits,
        ),
        secret=b"s" * 32,
    )


async def allowed(limiter: RateLimiter, count: int, *keys: str) -> int:
    """Hit `count` times and return how many were allowed."""
    return sum([(await limiter.hit("client", *keys)).allowed for _ in range(count)])
