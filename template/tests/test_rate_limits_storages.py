"""The two storages: their numbers are the `limits` library's, and memory stays bounded."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.storage.redis import RedisStorage as LibraryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from app.core import about
from app.core.rate_limit import in_process
from app.core.rate_limit.in_process import InProcessStorage
from app.core.rate_limit.redis import RedisStorage
from app.core.rate_limit.storage import Hit, RateLimitStorage
from app.core.settings import RedisSettings
from tests.limiting import PATIENT_SECONDS
from tests.valkey import ValkeyProcess, running_valkey


@pytest.fixture(scope="module")
def shared_valkey() -> Iterator[ValkeyProcess]:
    with running_valkey() as server:
        yield server


@pytest.fixture
def settings(shared_valkey: ValkeyProcess) -> RedisSettings:
    return RedisSettings.model_validate({"url": shared_valkey.url, "timeout": PATIENT_SECONDS})


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
    await asyncio.sleep(0.05)
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
