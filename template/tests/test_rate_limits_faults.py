"""When Valkey stops, hangs and returns."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from limits import parse
from structlog.testing import capture_logs

from app.core.rate_limit import backend_redis
from app.core.rate_limit.backend_redis import SharedRateLimiter
from app.core.rate_limit.rules import rules_from
from app.core.rate_limit.settings import RateLimitSettings
from app.core.rate_limit.settings_redis import RedisSettings
from app.core.rate_limit.storage import Hit
from app.core.rate_limit.storage_redis import RedisStorage, StorageUnavailable
from app.core.settings import Settings
from app.main import create_app
from tests.lifespan import started
from tests.limiting_redis import allowed, limiter_for
from tests.probe import Probe, probe_settings
from tests.valkey import ValkeyProcess, running_valkey

TIMEOUT_SECONDS = 0.4


@pytest.fixture
def valkey() -> Iterator[ValkeyProcess]:
    """A server that the test may break."""
    with running_valkey() as server:
        yield server


async def timed(limiter: SharedRateLimiter, *keys: str) -> float:
    started = time.perf_counter()
    await limiter.hit("client", *keys)
    return time.perf_counter() - started


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
    monkeypatch.setattr(backend_redis, "_RETRY_SECONDS", 60.0)
    limiter = limiter_for(valkey, timeout_seconds=TIMEOUT_SECONDS, client="5 per 1 hour")
    await limiter.hit("client", "a")
    getattr(valkey, fault)()

    # Many wait for one timeout together, also who comes while it runs.
    first = asyncio.gather(*(timed(limiter, "b") for _ in range(10)))
    await asyncio.sleep(TIMEOUT_SECONDS / 2)
    second = asyncio.gather(*(timed(limiter, "b") for _ in range(10)))
    assert max(await first) < TIMEOUT_SECONDS * 1.5
    assert max(await second) < TIMEOUT_SECONDS
    assert await is_degraded(limiter)
    # Nobody waits while it is known to be gone.
    assert max([await timed(limiter, str(number)) for number in range(20)]) < TIMEOUT_SECONDS / 2
    assert await allowed(limiter, 10, "c") == 5
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


async def test_one_request_at_a_time_asks_whether_it_is_back(valkey: ValkeyProcess) -> None:
    limiter = limiter_for(valkey, timeout_seconds=TIMEOUT_SECONDS)
    await limiter.hit("client", "a")
    valkey.suspend()
    await limiter.hit("client", "a")
    limiter._retry_at = 0.0
    waits = sorted(await asyncio.gather(*(timed(limiter, "b") for _ in range(10))))
    assert waits[-1] > TIMEOUT_SECONDS * 0.9
    assert waits[-2] < TIMEOUT_SECONDS / 2
    await limiter.close()


async def test_a_restart_costs_nobody_anything(valkey: ValkeyProcess, log: list[Any]) -> None:
    limiter = limiter_for(valkey, client="5 per 1 hour")
    await limiter.hit("client", "a")
    valkey.stop()
    valkey.start()
    assert await allowed(limiter, 10, "a") == 5
    assert not log
    await limiter.close()


async def test_answers_do_not_get_mixed_up_after_a_hang(valkey: ValkeyProcess) -> None:
    storage = RedisStorage(
        RedisSettings.model_validate({"url": valkey.url, "timeout": TIMEOUT_SECONDS})
    )
    limiter = SharedRateLimiter(storage, rules_from(RateLimitSettings(client="1000 per 1 hour")))
    await limiter.hit("client", "a")
    valkey.suspend()
    await limiter.hit("client", "many", "times")
    valkey.resume()
    await asyncio.sleep(0.05)
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


async def test_nobody_waits_for_ever(valkey: ValkeyProcess) -> None:
    storage = RedisStorage(
        RedisSettings.model_validate({"url": valkey.url, "timeout": 60})  # longer than the test
    )
    hit = Hit(parse("5 per 1 hour"), "a")
    await storage.hit(hit)
    valkey.suspend()
    waiting = [asyncio.create_task(storage.hit(hit)) for _ in range(3)]
    await asyncio.sleep(0.05)
    waiting.append(asyncio.create_task(storage.hit(hit)))
    await asyncio.sleep(0)
    await storage.close()
    async with asyncio.timeout(5):
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
    assert before.json() == {"status": "ok", "database": "ok", "rate_limits": "ok"}
    assert after.status_code == 200
    assert after.json() == {"status": "degraded", "database": "ok", "rate_limits": "degraded"}
