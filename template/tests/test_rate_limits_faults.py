"""When Valkey stops, hangs and returns."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import redis.asyncio
import structlog
from limits import parse
from structlog.testing import capture_logs

from app.core.rate_limit import backend_redis
from app.core.rate_limit.backend_redis import SharedRateLimiter
from app.core.rate_limit.settings import RateLimitSettings
from app.core.rate_limit.storage import Hit, Window
from app.core.rate_limit.storage_redis import RedisStorage, StorageUnavailable
from app.core.settings import Settings
from app.main import create_app
from tests import background
from tests.lifespan import started
from tests.limiter_clock import LimiterClock, standing_still
from tests.limiting_redis import allowed, limiter_for, redis_settings
from tests.patience import PATIENCE_SECONDS
from tests.probe import Probe
from tests.sections import probe_settings
from tests.valkey import ValkeyProcess, running_valkey

pytestmark = pytest.mark.slow


@pytest.fixture
def valkey() -> Iterator[ValkeyProcess]:
    """A server that the test may break."""
    with running_valkey() as server:
        yield server


@pytest.fixture(autouse=True)
def clock() -> Iterator[LimiterClock]:
    """Where this process counts for itself, no window ends."""
    with standing_still() as clock:
        yield clock


class Watched:
    """Counts how often a storage asks its server, and for a while lets it wait no longer than a moment."""

    def __init__(self, storage: RedisStorage, patch: pytest.MonkeyPatch) -> None:
        self.storage = storage
        self.asked = 0
        self._patch = patch
        count = storage._count

        async def counted(hits: Sequence[Hit]) -> list[Window]:
            self.asked += 1
            return await count(hits)

        patch.setattr(storage, "_count", counted)

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """While its server does not answer: one that is well may be late."""
        with self._patch.context() as patch:
            patch.setattr(self.storage, "_timeout_seconds", 0.2)
            yield

    async def is_waiting(self) -> bool:
        """Tell whether all that was to be asked is under way."""
        return self.storage._sender is not None and not self.storage._waiting


def storage_of(limiter: SharedRateLimiter) -> RedisStorage:
    storage = limiter._storage
    assert isinstance(storage, RedisStorage)
    return storage


async def hits_by(limiter: SharedRateLimiter, *keys: str) -> None:
    await asyncio.gather(*(limiter.hit("client", key) for key in keys))


async def is_degraded(limiter: SharedRateLimiter) -> bool:
    return limiter.degraded


@pytest.fixture
def log() -> Iterator[list[Any]]:
    structlog.reset_defaults()
    with capture_logs() as entries:
        yield entries


@pytest.mark.parametrize("fault", ["stop", "suspend"])
async def test_without_the_backend_each_process_counts(
    valkey: ValkeyProcess, fault: str, log: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_redis, "_RETRY_SECONDS", 3600.0)
    limiter = limiter_for(valkey, client="5 per 1 hour")
    await limiter.hit("client", "a")
    watched = Watched(storage_of(limiter), monkeypatch)
    getattr(valkey, fault)()

    with watched.impatient():
        # Many wait for one timeout together, also who comes while it runs.
        first = asyncio.create_task(hits_by(limiter, *"b" * 10))
        while not watched.asked:  # noqa: ASYNC110  an attribute, which sends no event
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await hits_by(limiter, *"b" * 10)
            await first
    assert await is_degraded(limiter)
    assert watched.asked == 1
    # Nobody waits while it is known to be gone.
    await hits_by(limiter, *map(str, range(20)))
    assert await allowed(limiter, 10, "c") == 5
    assert watched.asked == 1
    assert [entry["event"] for entry in log] == [
        "Redis lost, rate limits are counted in this process"
    ]

    valkey.resume() if fault == "suspend" else valkey.start()
    assert await allowed(limiter, 10, "c") == 0
    limiter._retry_at = 0.0
    assert await allowed(limiter, 10, "d") == 5
    assert not await is_degraded(limiter)
    assert [entry["event"] for entry in log][1:] == ["Redis is back"]
    await limiter.close()


async def test_one_request_at_a_time_asks_whether_it_is_back(
    valkey: ValkeyProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_redis, "_RETRY_SECONDS", 3600.0)
    limiter = limiter_for(valkey)
    await limiter.hit("client", "a")
    watched = Watched(storage_of(limiter), monkeypatch)
    valkey.suspend()
    with watched.impatient():
        await limiter.hit("client", "a")
    assert watched.asked == 1

    limiter._retry_at = 0.0
    requests = [asyncio.create_task(limiter.hit("client", "b")) for _ in range(10)]

    async def all_but_one_are_answered() -> bool:
        return sum(request.done() for request in requests) == 9

    await background.eventually(all_but_one_are_answered)
    assert watched.asked == 2
    valkey.resume()
    await asyncio.gather(*requests)
    assert not await is_degraded(limiter)
    await limiter.close()


async def test_a_restart_costs_nobody_anything(valkey: ValkeyProcess, log: list[Any]) -> None:
    limiter = limiter_for(valkey, client="5 per 1 hour")
    await limiter.hit("client", "a")
    valkey.stop()
    valkey.start()
    assert await allowed(limiter, 10, "a") == 5
    assert not log
    await limiter.close()


async def test_answers_do_not_get_mixed_up_after_a_hang(
    valkey: ValkeyProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = limiter_for(valkey, client="1000 per 1 hour")
    storage = storage_of(limiter)
    await limiter.hit("client", "a")
    valkey.suspend()
    with Watched(storage, monkeypatch).impatient():
        await limiter.hit("client", "many", "times")
    valkey.resume()
    # What it was asked before, it has answered when it answers this.
    client = redis.asyncio.Redis.from_url(valkey.url)
    await client.ping()
    await client.aclose()
    for number in range(50):
        [window] = await storage.hit(Hit(parse(f"{number + 1} per 1 hour"), f"n{number}"))
        assert window.remaining == number
    await limiter.close()


async def test_a_cancelled_request_holds_nobody_up(valkey: ValkeyProcess) -> None:
    limiter = limiter_for(valkey, client="1000 per 1 hour")
    await limiter.hit("client", "a")
    requests = [asyncio.create_task(limiter.hit("client", str(n))) for n in range(10)]
    await asyncio.sleep(0)
    for request in requests[::2]:
        request.cancel()
    outcomes = await asyncio.gather(*requests, return_exceptions=True)
    assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [
        True,
        False,
    ] * 5
    assert not limiter.degraded
    await limiter.close()


async def test_nobody_waits_for_ever(
    valkey: ValkeyProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = RedisStorage(redis_settings(valkey, 2 * PATIENCE_SECONDS))
    watched = Watched(storage, monkeypatch)
    hit = Hit(parse("5 per 1 hour"), "a")
    await storage.hit(hit)
    valkey.suspend()
    waiting = [asyncio.create_task(storage.hit(hit)) for _ in range(3)]
    await background.eventually(watched.is_waiting)
    waiting.append(asyncio.create_task(storage.hit(hit)))
    await asyncio.sleep(0)
    await storage.close()
    async with asyncio.timeout(PATIENCE_SECONDS):
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StorageUnavailable] * 4
    valkey.resume()
    assert (await storage.hit(hit))[0].acquired
    # What the library never raises, it seems.
    storage._connection.send_command = None  # type: ignore[method-assign, assignment]  # a fault
    with pytest.raises(StorageUnavailable, match="TypeError"):
        await storage.hit(hit)
    await storage.close()


async def test_a_wrong_password_is_no_500(valkey: ValkeyProcess) -> None:
    url = valkey.url.replace("redis://", "redis://:wrong@")
    settings = probe_settings(redis={"url": url}, rate_limits={"client": "2 per 1 hour"})
    probe = Probe(settings)
    async with probe.started(), probe.client() as client:
        statuses = [(await client.get("/api/v1/items")).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert "rate_limiter_degraded 1.0" in probe.metrics.render().decode()


async def test_readiness_tells_and_stays_ready(settings: Settings) -> None:
    limited = settings.model_copy(update={"rate_limits": RateLimitSettings()})
    app = create_app(limited)
    transport = httpx.ASGITransport(app=app)
    async with (
        started(app),
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
    ):
        before = await client.get("/health/ready")
        await client.get("/")
        after = await client.get("/health/ready")
    rest = {"database": "ok", "pool": "ok"}
    assert before.json() == {"status": "ok", "rate_limits": "ok"} | rest
    assert after.status_code == 200
    assert after.json() == {"status": "degraded", "rate_limits": "degraded"} | rest
