"""Connections go to whoever has waited longest."""

import asyncio

import pytest

from app.core.db.database import Database
from app.core.errors import Unavailable
from app.core.settings import DatabaseSettings
from tests.patience import PATIENCE_SECONDS


@pytest.fixture
def one_connection(database_settings: DatabaseSettings) -> DatabaseSettings:
    return database_settings.model_copy(update={"pool_size": 1, "max_overflow": 0})


async def take(database: Database) -> None:
    async with database.unit() as unit:
        await unit.fetch(unit.side, "SELECT 1", [])


async def test_who_waits_comes_before_who_comes_back(one_connection: DatabaseSettings) -> None:
    served: list[str] = []

    async def client(name: str) -> None:
        for turn in (1, 2):
            await take(database)
            served.append(f"{name}{turn}")

    async with Database(one_connection) as database:
        await asyncio.gather(*(client(name) for name in "abc"))
    assert served == ["a1", "b1", "c1", "a2", "b2", "c2"]


async def test_a_wait_ends_and_leaves_the_queue_in_order(
    one_connection: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Database(one_connection) as database:
        async with database.unit() as unit:
            await unit.fetch(unit.side, "SELECT 1", [])
            # Of this wait alone: to connect may take longer.
            assert database._checkout._patience_seconds == PATIENCE_SECONDS
            with monkeypatch.context() as impatient:
                impatient.setattr(database._checkout, "_patience_seconds", 0.05)
                with pytest.raises(Unavailable):
                    await take(database)
            cancelled = asyncio.create_task(take(database))
            await asyncio.sleep(0)
            cancelled.cancel()
        await take(database)
