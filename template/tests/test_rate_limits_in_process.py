"""Counters in the process's memory: right, and bounded."""

import asyncio
from collections.abc import Iterator

import pytest
from limits import parse
from limits.aio.storage import MemoryStorage

from app.core.rate_limit import in_process
from app.core.rate_limit.in_process import InProcessStorage
from app.core.rate_limit.storage import Hit
from tests.limiter_clock import LimiterClock, standing_still


@pytest.fixture(autouse=True)
def clock() -> Iterator[LimiterClock]:
    with standing_still() as clock:
        yield clock


async def test_hits_together_are_hits_one_by_one() -> None:
    storage, item = InProcessStorage(), parse("3 per 1 hour")
    windows = await storage.hit(*[Hit(item, "a")] * 4, Hit(item, "b"))
    await storage.close()
    assert [window.acquired for window in windows] == [True, True, True, False, True]
    assert [window.remaining for window in windows] == [2, 1, 0, 0, 2]
    assert all(0 < window.reset_seconds <= 3600 for window in windows)


async def test_what_is_given_back_is_free_again() -> None:
    storage, item = InProcessStorage(), parse("2 per 1 hour")
    hit = Hit(item, "a")
    windows = await storage.hit(*[hit] * 3, hit._replace(given_back=True), hit, hit)
    assert [window.acquired for window in windows] == [True, True, False, True, True, False]
    fresh = Hit(item, "b", given_back=True)
    windows = await storage.hit(*[fresh] * 3, *[Hit(item, "b")] * 3)
    await storage.close()
    assert [window.acquired for window in windows][3:] == [True, True, False]


async def test_memory_forgets_what_has_expired(
    clock: LimiterClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In each turn of the loop.
    monkeypatch.setattr(in_process, "_SWEEP_SECONDS", 0)
    storage = InProcessStorage()
    library: MemoryStorage = storage._storage
    item = parse("3 per 1 minute")
    await storage.hit(*(Hit(item, str(number)) for number in range(100)))
    assert len(library.expirations) == 100
    sweeper = library.timer
    for _ in range(3):
        await asyncio.sleep(0)
    await storage.hit(Hit(item, "0"))
    # Else the library looks through all keys on each hit.
    assert library.timer is sweeper
    clock.now += 119
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(library.expirations) == 100
    clock.now += 2
    for _ in range(3):
        await asyncio.sleep(0)
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
