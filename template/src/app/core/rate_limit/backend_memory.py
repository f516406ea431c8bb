"""Limits that one process keeps by itself."""

import structlog

from app.core.rate_limit.in_process import InProcessStorage
from app.core.rate_limit.limiter import RateLimiter
from app.core.rate_limit.rules import rules_from
from app.core.settings import Settings

log = structlog.get_logger(__name__)


def create_rate_limiter(settings: Settings, *, secret: bytes = b"") -> RateLimiter:
    """Build the limiter, and log that it counts for this process alone.

    `secret` keys the hashes of what is counted.
    """
    if settings.rate_limits.enabled:
        log.info("rate limits are counted in this process: run one API process, no more")
    return RateLimiter(
        InProcessStorage(),
        rules_from(settings.rate_limits),
        enabled=settings.rate_limits.enabled,
        secret=secret,
    )
