"""Counting in a real Valkey."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import redis.asyncio
from limits import parse
from limits.aio.storage.redis import RedisStorage as LibraryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from pydantic import ValidationError

from app.core import about
from app.core.rate_limit.backend_redis import SharedRateLimiter
from app.core.rate_limit.errors import RateLimited
from app.core.rate_limit.settings_redis import RedisSettings
from app.core.rate_limit.storage import Hit
from app.core.rate_limit.storage_redis import RedisStorage
from tests.limiting_redis import allowed, let_pass, limiter_for, redis_settings
from tests.valkey import ValkeyProcess, running_valkey

pytestmark = pytest.mark.slow

type MakeLimiter = Callable[..., SharedRateLimiter]


@pytest.fixture(scope="module")
def shared_valkey() -> Iterator[ValkeyProcess]:
    with running_valkey() as server:
        yield server


@pytest.fixture
async def make_limiter(shared_valkey: ValkeyProcess) -> AsyncIterator[MakeLimiter]:
    made: list[SharedRateLimiter] = []
    client = redis.asyncio.Redis.from_url(shared_valkey.url)
    await client.flushall()
    await client.aclose()

    def make(**limits: Any) -> SharedRateLimiter:
        made.append(limiter_for(shared_valkey, **limits))
        return made[-1]

    yield make
    for limiter in made:
        await limiter.close()


async def test_two_processes_count_together(make_limiter: MakeLimiter) -> None:
    one, two = make_limiter(client="4 per 1 hour"), make_limiter(client="4 per 1 hour")
    assert await allowed(one, 3, "a") + await allowed(two, 3, "a") == 4


async def test_what_is_given_back_is_free_again(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(client="2 per 1 hour")
    assert await allowed(limiter, 3, "a") == 2
    await limiter.give_back("client", "a")
    # It goes with the next hit's round trip, whatever that counts, and never below nothing.
    await limiter.give_back("client", "b")
    await limiter.hit("client", "elsewhere")
    assert await allowed(limiter, 3, "a") == 1
    assert await allowed(limiter, 3, "b") == 2


async def test_concurrent_hits_of_processes_are_exact(make_limiter: MakeLimiter) -> None:
    limiters = [make_limiter(client="20 per 1 hour") for _ in range(3)]
    decisions = await asyncio.gather(
        *(limiter.hit("client", "a") for limiter in limiters for _ in range(30))
    )
    assert sum(decision.allowed for decision in decisions) == 20


async def test_no_address_is_in_redis(
    make_limiter: MakeLimiter, shared_valkey: ValkeyProcess
) -> None:
    await make_limiter().hit("login_address", "ada@acme.test")
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
        await limiter.enforce_tenant("t")
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


async def test_a_later_count_crosses_processes(make_limiter: MakeLimiter) -> None:
    limiters = [make_limiter(tenant="4 per 1 hour", client="1000 per 1 hour") for _ in range(2)]
    passed = 0
    for number in range(20):
        limiter = limiters[number % 2]
        await limiter.hit("client", str(number))
        try:
            await limiter.enforce_tenant("acme")
            passed += 1
        except RateLimited:
            pass
    # Each process may learn of the last hits one request late.
    assert 4 <= passed <= 6


@pytest.mark.parametrize("limit", ["3 per 1 hour", "5 per 2 hour", "7 per 1 day"])
async def test_the_numbers_are_the_librarys(shared_valkey: ValkeyProcess, limit: str) -> None:
    settings = redis_settings(shared_valkey)
    ours, item = RedisStorage(settings), parse(limit)
    # The same counters, read by the library.
    library = SlidingWindowCounterRateLimiter(
        LibraryStorage(
            f"async+{shared_valkey.url}",
            implementation="redispy",
            key_prefix=f"{about.SLUG}:limit",
        )
    )
    for _ in range(12):
        before = time.time()
        [window] = await ours.hit(Hit(item, item.key_for("compare")))
        stats = await library.get_window_stats(item, "compare")
        earliest, latest = before + window.reset_seconds, time.time() + window.reset_seconds
        assert window.remaining == stats.remaining
        assert earliest - 0.01 < stats.reset_time < latest + 0.01
        # At none of these moments does a hit become possible, nor in the minute's half around it.
        await let_pass({"redis": settings}, item.get_expiry() * 11 / 90)
    await ours.close()
    await library.storage.bridge.get_connection().aclose()  # type: ignore[attr-defined]  # the client inside


async def test_hits_together_are_hits_one_by_one(shared_valkey: ValkeyProcess) -> None:
    storage = RedisStorage(redis_settings(shared_valkey))
    item, key = parse("3 per 1 hour"), secrets.token_hex(8)
    windows = await storage.hit(*[Hit(item, key)] * 4, Hit(item, f"{key} other"))
    await storage.close()
    assert [window.acquired for window in windows] == [True, True, True, False, True]
    # Redis has run them all when it answers the first; each is counted before the next.
    assert [window.remaining for window in windows] == [2, 1, 0, 0, 2]
    assert all(0 < window.reset_seconds <= 3600 for window in windows)


@pytest.mark.parametrize("url", ["redis.internal:6379", "http://redis.internal", "redis://"])
def test_a_wrong_url_is_explained(url: str) -> None:
    with pytest.raises(ValidationError, match="must look like redis://"):
        RedisSettings.model_validate({"url": url})
