"""What is repeated in the background, whatever it meets."""

import asyncio

import pytest

from app.services.loops import Loop
from tests.patience import PATIENCE_SECONDS

OUTAGE_OF_HOURS = 2000


async def test_an_outage_of_hours_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.loops._MAX_PAUSE_SECONDS", 0.0)
    tries, succeeded = 0, asyncio.Event()

    async def step() -> bool:
        nonlocal tries
        tries += 1
        if tries < OUTAGE_OF_HOURS:
            raise ConnectionError
        succeeded.set()
        return False

    running = asyncio.create_task(Loop("test", step, pause_seconds=0).run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await succeeded.wait()
    running.cancel()
