"""Counting in a real Valkey."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import redis.asyncio

from app.core.errors import RateLimited
from app.core.rate_limit.backend import create_rate_limiter
from app.core.rate_limit.limiter import RateLimiter
from tests.limiting import allowed, limiter_for
from tests.probe import Probe, probe_settings
from tests.valkey import ValkeyProcess, running_valkey

type MakeLimiter = Callable[..., RateLimiter]


@pytest.fixture(scope="module")
def shared_valkey() -> Iterator[ValkeyProcess]:
    with running_valkey() as server:
        yield server


@pytest.fixture
async def make_limiter(shared_valkey: ValkeyProcess) -> AsyncIterator[MakeLimiter]:
    made: list[RateLimiter] = []
    client = redis.asyncio.Redis.from_url(shared_valkey.url)
    await client.flushall()
    await client.aclose()

    def make(**limits: Any) -> RateLimiter:
        made.append(limiter_for(shared_valkey, **limits))
        return made[-1]

    yield make
    for limiter in made:
        await limiter.close()


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
