"""Connections go to whoever has waited longest."""

import asyncio
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from app.core.db.database import Database
from app.core.errors import Unavailable
from app.core.settings import DatabaseSettings
from tests import background
from tests.databases import STANDING
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


HELD_UP = {
    "a lock": "LOCK TABLE tenant_acme.projects",
    "a slow query": None,
}


@pytest.mark.parametrize("by", HELD_UP)
async def test_one_tenants_waiting_requests_leave_connections_to_the_others(
    database_settings: DatabaseSettings, owner_connection: asyncpg.Connection, by: str
) -> None:
    settings = database_settings.model_copy(update={"pool_size": 4, "max_overflow": 0})
    query = "SELECT count(*) FROM projects" if by == "a lock" else "SELECT pg_sleep(600)"

    async def request(tenant_id: UUID, sql: str) -> None:
        async with database.tenant(tenant_id) as session:
            await session.execute(text(sql))

    async with Database(settings) as database, owner_connection.transaction():
        acme, globex = [await tenant_id(database, slug) for slug in STANDING]
        await request(globex, "SELECT 1")
        if statement := HELD_UP[by]:
            await owner_connection.execute(statement)
        flood = [asyncio.create_task(request(acme, query)) for _ in range(12)]
        await background.eventually(lambda: _are_used(database, 2))

        # Each of them has its turn, while nothing of acme's has moved.
        await asyncio.gather(*(request(globex, "SELECT 1") for _ in range(6)))
        assert not any(task.done() for task in flood)
        assert database.pool.checkedout() == 2

        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)


async def tenant_id(database: Database, slug: str) -> UUID:
    query = text("SELECT id FROM public.tenants WHERE slug = :slug").bindparams(slug=slug)
    async with database.lobby() as lobby:
        return UUID(str((await lobby.execute(query)).scalar_one()))


async def _are_used(database: Database, number: int) -> bool:
    return database.pool.checkedout() >= number
