"""Rate limits counted by a Valkey of the test's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.core.rate_limit.backend_redis import SharedRateLimiter
from app.core.rate_limit.limiter import RateLimiter
from app.core.rate_limit.rules import rules_from
from app.core.rate_limit.settings import RateLimitSettings
from app.core.rate_limit.settings_redis import RedisSettings
from app.core.rate_limit.storage_redis import RedisStorage
from tests.valkey import ValkeyProcess, running_valkey

PATIENT_SECONDS = 5.0
"""For tests whose server is well, while the machine may be busy."""


@contextmanager
def counting() -> Iterator[dict[str, Any]]:
    """Yield the sections of the settings with which limits are really counted."""
    with running_valkey() as server:
        yield {"redis": redis_settings(server)}


def redis_settings(
    server: ValkeyProcess, timeout_seconds: float = PATIENT_SECONDS
) -> RedisSettings:
    return RedisSettings.model_validate({"url": server.url, "timeout": timeout_seconds})


def limiter_for(
    server: ValkeyProcess, *, timeout_seconds: float = PATIENT_SECONDS, **limits: str
) -> SharedRateLimiter:
    return SharedRateLimiter(
        RedisStorage(redis_settings(server, timeout_seconds)),
        rules_from(RateLimitSettings(**limits)),  # type: ignore[arg-type]  # all of them are texts
        secret=b"s" * 32,
    )


async def allowed(limiter: RateLimiter, count: int, *keys: str) -> int:
    """Hit `count` times and return how many were allowed."""
    return sum([(await limiter.hit("client", *keys)).allowed for _ in range(count)])
