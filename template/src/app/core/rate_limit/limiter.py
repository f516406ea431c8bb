"""Rate limits that hold while the backend answers, and approximately while it does not."""

import time
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil
from typing import Final, Self

import structlog

from app.core.errors import RateLimited
from app.core.rate_limit.in_process import InProcessStorage
from app.core.rate_limit.rules import RuleName, Rules
from app.core.rate_limit.storage import Hit, RateLimitStorage, StorageUnavailable, Window

_RETRY_SECONDS: Final = 2.0
_MAX_POSTPONED: Final = 1024
_MAX_EXHAUSTED: Final = 1024

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule says about one hit; for a rule of several limits, what the tightest says."""

    limit: int
    remaining: int
    reset_seconds: int
    """Until at least one more hit is possible, rounded up."""
    allowed: bool

    @classmethod
    def of(cls, hits: list[Hit], windows: list[Window]) -> Self:
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
    """Counts hits against rules.

    When the backend fails or hangs, this process counts in its own memory (so the limits hold for
    each process by itself) and asks the backend again every two seconds.
    """

    def __init__(
        self,
        storage: RateLimitStorage,
        rules: Rules,
        *,
        enabled: bool = True,
        secret: bytes = b"",
    ) -> None:
        self.enabled = enabled
        self.degraded = False
        """The backend does not answer; this process counts for itself."""
        self.refusals = 0
        self._rules = rules
        self._secret = secret[:64]
        self._storage = storage
        self._fallback = InProcessStorage()
        self._retry_at = 0.0
        self._postponed: list[Hit] = []
        self._exhausted: dict[str, float] = {}

    async def hit(self, rule: RuleName, *keys: str) -> Decision:
        """Count one hit by `keys`, in one round trip, whether it is allowed or not."""
        hits = self._hits(rule, keys)
        postponed, self._postponed = self._postponed, []
        windows = await self._count([*hits, *postponed])
        for late, window in zip(postponed, windows[len(hits) :], strict=True):
            if window.remaining == 0:
                self._exhausted[late.key] = time.monotonic() + window.reset_seconds
        decision = Decision.of(hits, windows[: len(hits)])
        self.refusals += not decision.allowed
        return decision

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

    def enforce_later(self, rule: RuleName, *keys: str) -> None:
        """Refuse what is known to be too many, and count the hit in the next hit's round trip.

        Costs no round trip of its own. Requests that run at the same instant, and other processes,
        learn of an exhausted limit one request late.

        Raises:
            RateLimited: earlier hits have used the limit up.
        """
        if not self.enabled:
            return
        hits, now = self._hits(rule, keys), time.monotonic()
        wait_seconds = max(self._exhausted.get(hit.key, 0.0) - now for hit in hits)
        if wait_seconds > 0:
            self.refusals += 1
            raise RateLimited(retry_after_seconds=ceil(wait_seconds))
        if len(self._exhausted) > _MAX_EXHAUSTED:
            self._exhausted = {key: at for key, at in self._exhausted.items() if at > now}
        if len(self._postponed) < _MAX_POSTPONED:
            self._postponed += hits

    async def close(self) -> None:
        """Give back the backend's connection."""
        await self._storage.close()
        await self._fallback.close()

    def _hits(self, rule: RuleName, keys: tuple[str, ...]) -> list[Hit]:
        # A keyed hash: counters must not tell who was counted. A changed limit starts afresh.
        hits = []
        for limit in self._rules[rule].limits:
            text = "\0".join((rule, str(limit.amount), str(limit.get_expiry()), *keys))
            digest = blake2b(text.encode(), digest_size=16, key=self._secret).hexdigest()
            hits.append(Hit(limit, digest))
        return hits

    async def _count(self, hits: list[Hit]) -> list[Window]:
        if self.degraded:
            now = time.monotonic()
            if now < self._retry_at:
                return await self._fallback.hit(*hits)
            # Only this request waits for the backend; the others keep to the fallback.
            self._retry_at = now + _RETRY_SECONDS
        try:
            windows = await self._storage.hit(*hits)
        except StorageUnavailable as exc:
            if not self.degraded:
                self.degraded = True
                log.warning("rate limit backend lost, counting in this process", reason=str(exc))
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            return await self._fallback.hit(*hits)
        if self.degraded:
            self.degraded = False
            log.info("rate limit backend is back")
        return windows
