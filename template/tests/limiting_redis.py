"""Rate limits counted by a Valkey of the test's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis.asyncio

from app.core.rate_limit.backend_redis import SharedRateLimiter
from app.core.rate_limit.limiter import RateLimiter
from app.core.rate_limit.rules import rules_from
from app.core.rate_limit.settings import RateLimitSettings
from app.core.rate_limit.settings_redis import RedisSettings
from app.core.rate_limit.storage_redis import RedisStorage
from tests.patience import PATIENCE_SECONDS
from tests.valkey import ValkeyProcess, running_valkey


@contextmanager
def counting() -> Iterator[dict[str, Any]]:
    """Yield the sections of the settings with which limits are really counted."""
    with running_valkey() as server:
        yield {"redis": redis_settings(server)}


async def let_pass(sections: dict[str, Any], seconds: float) -> None:
    """Make everything that was counted so much older."""
    client = redis.asyncio.Redis.from_url(sections["redis"].url.get_secret_value())
    for key in await client.keys("*"):
        # Its time to live is all that says how old it is. What has no time left goes.
        await client.pexpire(key, await client.pttl(key) - round(seconds * 1000))
    await client.aclose()


def redis_settings(
    server: ValkeyProcess, timeout_seconds: float = PATIENCE_SECONDS
) -> RedisSettings:
    """Return those of a service that uses this server, which is well; the machine may be busy."""
    return RedisSettings.model_validate({"url": server.url, "timeout": timeout_seconds})


def limiter_for(server: ValkeyProcess, **limits: str) -> SharedRateLimiter:
    return SharedRateLimiter(
        RedisStorage(redis_settings(server)),
        rules_from(RateLimitSettings(**limits)),  # type: ignore[arg-type]  # all of them are texts
        secret=b"s" * 32,
    )


async def allowed(limiter: RateLimiter, count: int, *keys: str) -> int:
    """Hit `count` times and return how many were allowed."""
    return sum([(await limiter.hit("client", *keys)).allowed for _ in range(count)])
