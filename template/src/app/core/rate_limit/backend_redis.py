"""Limits that all processes share, and that hold approximately while Redis does not answer."""

import time
from math import ceil
from typing import Final

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric

from app.core.rate_limit.errors import RateLimited
from app.core.rate_limit.in_process import InProcessStorage
from app.core.rate_limit.limiter import Decision, RateLimiter
from app.core.rate_limit.rules import RuleName, Rules, rules_from
from app.core.rate_limit.storage import Hit, Window
from app.core.rate_limit.storage_redis import RedisStorage, StorageUnavailable
from app.core.settings import Settings

_RETRY_SECONDS: Final = 2.0
_MAX_POSTPONED: Final = 1024
_MAX_EXHAUSTED: Final = 1024

log = structlog.get_logger(__name__)


def create_rate_limiter(settings: Settings, *, secret: bytes = b"") -> RateLimiter:
    """Build the limiter; `secret` keys the hashes of what is counted."""
    return SharedRateLimiter(
        RedisStorage(settings.redis),
        rules_from(settings.rate_limits),
        enabled=settings.rate_limits.enabled,
        secret=secret,
    )


class SharedRateLimiter(RateLimiter):
    """Counts in Redis.

    When Redis fails or hangs, this process counts in its own memory (so the limits hold for each
    process by itself) and asks Redis again every two seconds (ADR 0015).
    """

    def __init__(
        self, storage: RedisStorage, rules: Rules, *, enabled: bool = True, secret: bytes = b""
    ) -> None:
        super().__init__(storage, rules, enabled=enabled, secret=secret)
        self.degraded = False
        """Redis does not answer; this process counts for itself."""
        self._fallback = InProcessStorage()
        self._retry_at = 0.0
        self._postponed: list[Hit] = []
        self._exhausted: dict[str, float] = {}

    async def hit(self, rule: RuleName, *keys: str) -> Decision:
        """Count one hit by `keys`, in one round trip, whether it is allowed or not."""
        hits = self._hits(rule, *keys)
        postponed, self._postponed = self._postponed, []
        windows = await self._count([*hits, *postponed])
        for late, window in zip(postponed, windows[len(hits) :], strict=True):
            if window.remaining == 0:
                self._exhausted[late.key] = time.monotonic() + window.reset_seconds
        return self._decision(hits, windows[: len(hits)])

    async def enforce_tenant(self, tenant_id: str) -> None:
        """Refuse what is known to be too many, and count the hit in the next hit's round trip.

        Costs no round trip of its own. Requests that run at the same instant, and other processes,
        learn of an exhausted limit one request late.

        Raises:
            RateLimited: earlier hits have used the limit up.
        """
        if not self.enabled:
            return
        hits, now = self._hits("tenant", tenant_id), time.monotonic()
        wait_seconds = max(self._exhausted.get(hit.key, 0.0) - now for hit in hits)
        if wait_seconds > 0:
            self.refusals += 1
            raise RateLimited(retry_after_seconds=ceil(wait_seconds))
        if len(self._exhausted) > _MAX_EXHAUSTED:
            self._exhausted = {key: at for key, at in self._exhausted.items() if at > now}
        if len(self._postponed) < _MAX_POSTPONED:
            self._postponed += hits

    async def give_back(self, rule: RuleName, *keys: str) -> None:
        """Take back a hit by `keys` that was allowed, in the next hit's round trip."""
        if self.enabled and len(self._postponed) < _MAX_POSTPONED:
            self._postponed += self._given_back(rule, *keys)

    def metrics(self) -> list[Metric]:
        """Return what Prometheus reads about this limiter, and whether it has Redis."""
        degraded = GaugeMetricFamily(
            "rate_limiter_degraded",
            "1 while Redis does not answer and each process counts for itself.",
            self.degraded,
        )
        return [degraded, *super().metrics()]

    async def close(self) -> None:
        """Close the connection, and forget what was counted without it."""
        await super().close()
        await self._fallback.close()

    async def _count(self, hits: list[Hit]) -> list[Window]:
        if self.degraded:
            now = time.monotonic()
            if now < self._retry_at:
                return await self._fallback.hit(*hits)
            # Only this request waits for Redis; the others keep to the fallback.
            self._retry_at = now + _RETRY_SECONDS
        try:
            windows = await self._storage.hit(*hits)
        except StorageUnavailable as exc:
            if not self.degraded:
                self.degraded = True
                log.warning("Redis lost, rate limits are counted in this process", reason=str(exc))
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            return await self._fallback.hit(*hits)
        if self.degraded:
            self.degraded = False
            log.info("Redis is back")
        return windows
