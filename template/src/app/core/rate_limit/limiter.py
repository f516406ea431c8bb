"""Counts hits against the rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from math import ceil
from typing import Final, Self

from prometheus_client.core import CounterMetricFamily, Metric

from app.core.rate_limit.errors import RateLimited
from app.core.rate_limit.rules import RuleName, Rules
from app.core.rate_limit.storage import Hit, RateLimitStorage, Window

_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule says about one hit; for a rule of several limits, what the tightest says."""

    limit: int
    remaining: int
    reset_seconds: int
    """Until at least one more hit is possible, rounded up."""
    allowed: bool

    @classmethod
    def of(cls, hits: Sequence[Hit], windows: list[Window]) -> Self:
        """Return the decision of the window that refuses longest, else has the least left."""
        hit, window = min(
            zip(hits, windows, strict=True),
            key=lambda pair: (
                pair[1].acquired,
                0 if pair[1].acquired else -pair[1].reset_seconds,
                pair[1].remaining,
            ),
        )
        return cls(hit.limit.amount, window.remaining, ceil(window.reset_seconds), window.acquired)


class RateLimiter:
    """Counts hits by keys that no reader of the counters can turn back into what was counted."""

    def __init__(
        self,
        storage: RateLimitStorage,
        rules: Rules,
        *,
        enabled: bool = True,
        secret: bytes = b"",
    ) -> None:
        self.enabled = enabled
        self.refusals = 0
        self._rules = rules
        self._secret = secret[:64]
        self._storage = storage
        self._hits = lru_cache(maxsize=_REMEMBERED)(self._new_hits)

    async def hit(self, rule: RuleName, *keys: str) -> Decision:
        """Count one hit by `keys`, whether it is allowed or not."""
        hits = self._hits(rule, *keys)
        return self._decision(hits, await self._storage.hit(*hits))

    async def enforce(self, rule: RuleName, *keys: str) -> None:
        """Count one hit by `keys`.

        Raises:
            RateLimited: it is one too many.
        """
        if not self.enabled:
            return
        decision = await self.hit(rule, *keys)
        if not decision.allowed:
            raise RateLimited(retry_after_seconds=max(1, decision.reset_seconds))

    async def passes(self, rule: RuleName, *keys: str) -> bool:
        """Count one hit by `keys`, and tell whether it is allowed."""
        return not self.enabled or (await self.hit(rule, *keys)).allowed

    async def give_back(self, rule: RuleName, *keys: str) -> None:
        """Take back a hit by `keys` that was allowed."""
        if self.enabled:
            await self._storage.hit(*self._given_back(rule, *keys))

    async def enforce_tenant(self, tenant_id: str) -> None:
        """Count a request of a tenant, once its caller was admitted.

        Raises:
            RateLimited: it is one too many.
        """
        await self.enforce("tenant", tenant_id)

    def metrics(self) -> list[Metric]:
        """Return what Prometheus reads about this limiter."""
        return [
            CounterMetricFamily(
                "rate_limiter_refusals", "Hits that were one too many.", self.refusals
            )
        ]

    async def close(self) -> None:
        """Give back what the storage holds."""
        await self._storage.close()

    def _new_hits(self, rule: RuleName, *keys: str) -> tuple[Hit, ...]:
        # A keyed hash: counters must not tell who was counted. A changed limit starts afresh.
        hits = []
        for limit in self._rules[rule].limits:
            text = "\0".join((rule, str(limit.amount), str(limit.get_expiry()), *keys))
            digest = blake2b(text.encode(), digest_size=16, key=self._secret).hexdigest()
            hits.append(Hit(limit, digest))
        return tuple(hits)

    def _given_back(self, rule: RuleName, *keys: str) -> list[Hit]:
        return [hit._replace(given_back=True) for hit in self._hits(rule, *keys)]

    def _decision(self, hits: Sequence[Hit], windows: list[Window]) -> Decision:
        decision = Decision.of(hits, windows)
        self.refusals += not decision.allowed
        return decision
