"""Counting in a real Valkey, and what happens when it stops, hangs and returns."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import redis.asyncio
import structlog
from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.storage.redis import RedisStorage as LibraryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from structlog.testing import capture_logs

from app.core import about
from app.core.errors import RateLimited
from app.core.rate_limit import in_process
from app.core.rate_limit import limiter as limiter_module
from app.core.rate_limit.backend import create_rate_limiter
from app.core.rate_limit.in_process import InProcessStorage
from app.core.rate_limit.limiter import RateLimiter
from app.core.rate_limit.redis import RedisStorage
from app.core.rate_limit.rules import rules_from
from app.core.rate_limit.storage import Hit, RateLimitStorage
from app.core.settings import RateLimitSettings, RedisSettings
from tests.probe import Probe, probe_settings
from tests.valkey import ValkeyProcess, running_valkey

type MakeLimiter = Callable[..., RateLimiter]

TIMEOUT_SECONDS = 0.4
PATIENT_SECONDS = 5.0  # where the server is well, and the machine perhaps busy


@pytest.fixture(scope="module")
def shared_valkey() -> Iterator[ValkeyProcess]:
    with running_valkey() as server:
        yield server


@pytest.fixture
def settings(shared_valkey: ValkeyProcess) -> RedisSettings:
    return RedisSettings.model_validate({"url": shared_valkey.url, "timeout": PATIENT_SECONDS})


@pytest.fixture
def valkey() -> Iterator[ValkeyProcess]:
    """A server that the test may break."""
    with running_valkey() as server:
        yield server


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


@pytest.fixture
async def make_limiter(shared_valkey: ValkeyProcess) -> AsyncIterator[MakeLimiter]:
    made: list[RateLimiter] = []
    client = redis.asyncio.Redis.from_url(shared_valkey.url)
    await client.flushall()
    await client.aclose()

    def make(**limits: str) -> RateLimiter:
        made.append(limiter_for(shared_valkey, timeout_seconds=PATIENT_SECONDS, **limits))
        return made[-1]

    yield make
    for limiter in made:
        await limiter.close()


async def allowed(limiter: RateLimiter, count: int, *keys: str) -> int:
    return sum([(await limiter.hit("client", *keys)).allowed for _ in range(count)])


async def test_a_limit_is_exact(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(client="3 per 1 hour")
    decisions = [await limiter.hit("client", "a") for _ in range(4)]

    assert [decision.remaining for decision in decisions] == [2, 1, 0, 0]
    assert [decision.allowed for decision in decisions] == [True, True, True, False]
    assert {decision.limit for decision in decisions} == {3}
    assert all(0 < decision.reset_seconds <= 3600 for decision in decisions)
    assert await allowed(limiter, 1, "b") == 1
    assert limiter.refusals == 1


async def test_two_processes_count_together(make_limiter: MakeLimiter) -> None:
    one, two = make_limiter(client="4 per 1 hour"), make_limiter(client="4 per 1 hour")
    assert await allowed(one, 3, "a") + await allowed(two, 3, "a") == 4


async def test_concurrent_hits_are_exact(make_limiter: MakeLimiter) -> None:
    limiters = [make_limiter(client="20 per 1 hour") for _ in range(3)]
    decisions = await asyncio.gather(
        *(limiter.hit("client", "a") for limiter in limiters for _ in range(30))
    )
    assert sum(decision.allowed for decision in decisions) == 20


async def test_a_window_slides(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(client="4 per 1 second")
    assert await allowed(limiter, 6, "a") == 4
    refused = await limiter.hit("client", "a")
    await asyncio.sleep(refused.reset_seconds + 0.3)
    assert 1 <= await allowed(limiter, 6, "a") < 4


@pytest.mark.parametrize("rule", ["2 per 1 hour; 3 per 1 day", "3 per 1 hour; 2 per 1 day"])
async def test_all_parts_of_a_rule_hold(make_limiter: MakeLimiter, rule: str) -> None:
    limiter = make_limiter(client=rule)
    decisions = [await limiter.hit("client", "a") for _ in range(3)]
    assert [decision.allowed for decision in decisions] == [True, True, False]
    assert [decision.remaining for decision in decisions] == [1, 0, 0]
    assert {decision.limit for decision in decisions} == {2}


async def test_rules_and_keys_are_counted_apart(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(login_account="1 per 1 hour", login_address="1 per 1 hour")
    await limiter.enforce("login_account", "a")
    await limiter.enforce("login_address", "a")
    await limiter.enforce("login_account", "a", "b")
    await limiter.enforce("login_account", "ab")
    with pytest.raises(RateLimited) as refusal:
        await limiter.enforce("login_account", "a")
    assert 1 <= refusal.value.retry_after_seconds <= 3600


async def test_no_address_is_in_redis(
    make_limiter: MakeLimiter, shared_valkey: ValkeyProcess
) -> None:
    await make_limiter().hit("login_account", "ada@acme.test")
    client = redis.asyncio.Redis.from_url(shared_valkey.url)
    keys = await client.keys("*")
    ttls = [await client.ttl(key) for key in keys]
    await client.aclose()
    assert len(keys) == 1
    assert b"ada" not in keys[0]
    assert all(0 < ttl <= 120 for ttl in ttls)


async def test_one_round_trip_for_each_request(
    make_limiter: MakeLimiter, shared_valkey: ValkeyProcess
) -> None:
    limiter = make_limiter()
    await limiter.hit("client", "a")
    client = redis.asyncio.Redis.from_url(shared_valkey.url)

    async def calls() -> dict[str, int]:
        statistics = await client.info("commandstats")
        return {name: value["calls"] for name, value in statistics.items()}

    before = await calls()
    for _ in range(10):
        await limiter.hit("client", "a")
        limiter.enforce_later("tenant", "t")
    after = await calls()
    await client.aclose()
    assert after["cmdstat_evalsha"] - before["cmdstat_evalsha"] == 10
    sent = {"cmdstat_evalsha", "cmdstat_info"}
    others = {name for name in after if after[name] != before.get(name)} - sent
    # What the script itself calls.
    assert others <= {
        f"cmdstat_{name}" for name in ("get", "set", "pttl", "exists", "incrby", "rename")
    }


async def test_many_at_once_share_round_trips(
    make_limiter: MakeLimiter, shared_valkey: ValkeyProcess
) -> None:
    limiter = make_limiter(client="1000 per 1 hour")
    await limiter.hit("client", "a")
    client = redis.asyncio.Redis.from_url(shared_valkey.url)
    before = (await client.info("commandstats"))["cmdstat_evalsha"]["calls"]
    decisions = await asyncio.gather(*(limiter.hit("client", str(n)) for n in range(50)))
    after = (await client.info("commandstats"))["cmdstat_evalsha"]["calls"]
    await client.aclose()
    assert after - before <= 2
    assert {decision.remaining for decision in decisions} == {999}


async def test_a_later_count_is_exact_one_after_another(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(tenant="3 per 1 hour", client="1000 per 1 hour")
    for number in range(3):
        await limiter.hit("client", str(number))
        limiter.enforce_later("tenant", "acme")
    for number in range(3):
        await limiter.hit("client", str(number))
        with pytest.raises(RateLimited) as refusal:
            limiter.enforce_later("tenant", "acme")
        assert 1 <= refusal.value.retry_after_seconds <= 3600
    limiter.enforce_later("tenant", "globex")


async def test_a_later_count_crosses_processes(make_limiter: MakeLimiter) -> None:
    limiters = [make_limiter(tenant="4 per 1 hour", client="1000 per 1 hour") for _ in range(2)]
    passed = 0
    for number in range(20):
        limiter = limiters[number % 2]
        await limiter.hit("client", str(number))
        try:
            limiter.enforce_later("tenant", "acme")
            passed += 1
        except RateLimited:
            pass
    # Each process may learn of the last hits one request late.
    assert 4 <= passed <= 6


async def test_off_means_off(shared_valkey: ValkeyProcess) -> None:
    settings = probe_settings(
        redis={"url": shared_valkey.url}, rate_limits={"enabled": False, "client": "1 per 1 hour"}
    )
    limiter = create_rate_limiter(settings)
    for _ in range(3):
        await limiter.enforce("client", "a")
        limiter.enforce_later("tenant", "a")
    await limiter.close()


@pytest.mark.parametrize("limit", ["3 per 1 second", "5 per 2 second", "7 per 1 hour"])
async def test_the_numbers_are_the_librarys(
    shared_valkey: ValkeyProcess, settings: RedisSettings, limit: str
) -> None:
    ours = RedisStorage(settings)
    item = parse(limit)
    # The same counters, read by the library.
    library = SlidingWindowCounterRateLimiter(
        LibraryStorage(
            f"async+{shared_valkey.url}",
            implementation="redispy",
            key_prefix=f"{about.SLUG}:limit",
        )
    )
    equal = 0
    for _ in range(12):
        [window] = await ours.hit(Hit(item, item.key_for("compare")))
        stats = await library.get_window_stats(item, "compare")
        # A hit may become possible between the two.
        assert window.remaining <= stats.remaining <= window.remaining + 1
        equal += window.remaining == stats.remaining
        lapsed = stats.reset_time - time.time()
        assert lapsed <= 0 or window.reset_seconds == pytest.approx(lapsed, abs=0.1) or not equal
        await asyncio.sleep(0.05)
    assert equal >= 9
    await ours.close()
    await library.storage.bridge.get_connection().aclose()  # type: ignore[attr-defined]  # the client inside


@pytest.fixture(params=["redis", "in_process"])
async def storage(
    request: pytest.FixtureRequest, settings: RedisSettings
) -> AsyncIterator[RateLimitStorage]:
    storage: RateLimitStorage = InProcessStorage()
    if request.param == "redis":
        storage = RedisStorage(settings)
    yield storage
    await storage.close()


async def test_storages_agree(storage: RateLimitStorage) -> None:
    item = parse("3 per 1 hour")
    key = f"agree {time.time()}"
    windows = await storage.hit(*[Hit(item, key)] * 4, Hit(item, f"{key} other"))
    assert [window.acquired for window in windows] == [True, True, True, False, True]
    # Redis has run them all when it answers the first; each is counted before the next.
    assert [window.remaining for window in windows] == [2, 1, 0, 0, 2]
    assert all(0 < window.reset_seconds <= 3600 for window in windows)


async def test_memory_forgets_what_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "_SWEEP_SECONDS", 0.02)
    storage = InProcessStorage()
    library: MemoryStorage = storage._storage
    item = parse("3 per 1 minute")
    await storage.hit(*(Hit(item, str(number)) for number in range(100)))
    assert len(library.expirations) == 100
    sweeper = library.timer
    await storage.hit(Hit(item, "0"))
    # Else the library looks through all keys on each hit.
    assert library.timer is sweeper
    later = time.time() + 121
    monkeypatch.setattr(time, "time", lambda: later)
    await asyncio.sleep(0.1)
    assert len(library.expirations) == len(library.locks) == 0
    await storage.close()


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "_MAX_KEYS", 50)
    storage = InProcessStorage()
    item = parse("3 per 1 hour")
    for number in range(200):
        await storage.hit(Hit(item, str(number)))
    assert len(storage._storage.expirations) <= 50
    await storage.close()


async def timed(limiter: RateLimiter, *keys: str) -> float:
    started = time.perf_counter()
    await limiter.hit("client", *keys)
    return time.perf_counter() - started


async def is_degraded(limiter: RateLimiter) -> bool:
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
    monkeypatch.setattr(limiter_module, "_RETRY_SECONDS", 0.5)
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
    assert max([await timed(limiter, str(number)) for number in range(20)]) < 0.05
    assert await allowed(limiter, 10, "c") == 5
    assert [entry["event"] for entry in log] == [
        "rate limit backend lost, counting in this process"
    ]

    valkey.resume() if fault == "suspend" else valkey.start()
    await asyncio.sleep(0.6)
    assert await allowed(limiter, 10, "d") == 5
    assert not await is_degraded(limiter)
    assert [entry["event"] for entry in log][1:] == ["rate limit backend is back"]
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
    limiter = RateLimiter(storage, rules_from(RateLimitSettings(client="1000 per 1 hour")))
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


async def test_a_wrong_password_is_no_500(valkey: ValkeyProcess) -> None:
    url = valkey.url.replace("redis://", "redis://:wrong@")
    settings = probe_settings(redis={"url": url}, rate_limits={"client": "2 per 1 hour"})
    probe = Probe(settings)
    async with probe.client() as client:
        statuses = [(await client.get("/api/v1/items")).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert probe.limiter.degraded
    await probe.limiter.close()


async def test_headers_and_refusal(shared_valkey: ValkeyProcess) -> None:
    settings = probe_settings(
        redis={"url": shared_valkey.url},
        rate_limits={"client": "2 per 1 hour"},
        http={"trusted_proxies": ["127.0.0.1/32"]},
    )
    probe = Probe(settings)
    async with probe.client() as client:

        async def get(path: str, address: str) -> Any:
            return await client.get(path, headers={"x-forwarded-for": address})

        first = await get("/api/v1/items", "2001:db8:0:1::1")
        assert first.headers["ratelimit-limit"] == "2"
        assert first.headers["ratelimit-remaining"] == "1"
        assert 0 < int(first.headers["ratelimit-reset"]) <= 3600

        # Another address of the same /64, on a route that fails.
        failed = await get("/api/v1/items/0", "2001:db8:0:1::2")
        assert (failed.status_code, failed.headers["ratelimit-remaining"]) == (404, "0")
        refused = await get("/api/v1/items", "2001:db8:0:1::3")
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["type"] == "/problems/rate-limited"
        assert 0 < int(refused.headers["retry-after"]) <= 3600
        assert refused.headers["ratelimit-remaining"] == "0"

        assert (await get("/api/v1/items", "2001:db8:0:2::1")).status_code == 200
        for _ in range(3):
            probed = await get("/health/live", "2001:db8:0:1::1")
            assert probed.status_code == 200
            assert "ratelimit-limit" not in probed.headers
    await probe.limiter.close()
