"""Which backend counts: the answer to the template's `rate_limit_backend`, in one line."""

from app.core.rate_limit.limiter import RateLimiter
from app.core.rate_limit.redis import RedisStorage
from app.core.rate_limit.rules import rules_from
from app.core.settings import Settings


def create_rate_limiter(settings: Settings, *, secret: bytes = b"") -> RateLimiter:
    """Build the limiter; `secret` keys the hashes of what is counted."""
    return RateLimiter(
        RedisStorage(settings.redis),
        rules_from(settings.rate_limits),
        enabled=settings.rate_limits.enabled,
        secret=secret,
    )
