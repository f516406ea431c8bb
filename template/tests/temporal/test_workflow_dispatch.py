"""The outbox as several workers read it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, update

from app.core.db.database import Database
from app.core.identifiers import utcnow
from app.core.settings import Settings
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.repositories.public.workflow_dispatch import (
    CHECK_INTERVAL,
    CHECK_INTERVAL_OF_DELETIONS,
    CLAIM_LEASE,
    PLACES,
    WorkflowDispatch,
)
from app.repositories.public.workflow_queue import WorkflowQueue
from app.services.background_work import BackgroundWork
from tests import background

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
async def work(settings: Settings, admin_url: str) -> AsyncIterator[BackgroundWork]:
    async with (
        background.separate(settings, admin_url) as separate,
        background.working(separate) as work,
    ):
        yield work


@pytest.fixture(scope="module")
def database(work: BackgroundWork) -> Database:
    return work.database


@pytest.fixture(autouse=True)
async def empty(database: Database) -> None:
    async with database.lobby() as lobby:
        await lobby.execute(delete(WorkflowExecution))


async def add(database: Database, kind: WorkflowKind = WorkflowKind.CLEAN_UP) -> UUID:
    execution = WorkflowExecution(kind=kind)
    async with database.lobby() as lobby:
        await lobby.add(execution)
    return execution.id


async def age(database: Database, **values: object) -> None:
    async with database.lobby() as lobby:
        await lobby.execute(update(WorkflowExecution).values(**values))


async def claim(database: Database, limit: int = 10) -> list[UUID]:
    async with database.lobby() as lobby:
        return [claimed.id for claimed in await WorkflowDispatch(lobby).claim_pending(limit)]


async def claim_running(database: Database, limit: int = 10) -> list[UUID]:
    async with database.lobby() as lobby:
        return [claimed.id for claimed in await WorkflowDispatch(lobby).claim_running(limit)]


async def mark_running(database: Database, *ids: UUID) -> None:
    async with database.lobby() as lobby:
        await WorkflowDispatch(lobby).mark_running(ids)


async def close(database: Database, id: UUID, status: WorkflowStatus) -> bool:
    async with database.lobby() as lobby:
        return await WorkflowQueue(lobby).close(id, status)


async def test_the_oldest_come_first(database: Database) -> None:
    ids = [await add(database) for _ in range(3)]

    assert sorted(await claim(database, 2)) == ids[:2]
    assert await claim(database, 2) == ids[2:]


async def test_tenants_take_turns_and_have_their_places(
    database: Database, work: BackgroundWork
) -> None:
    many = [mail.id for _, mail in await background.request_mails(work, PLACES + 2)]
    [(_, other)] = await background.request_mails(work, 1)

    assert sorted(await claim(database, 2)) == [many[0], other.id]
    await mark_running(database, many[0], other.id)
    assert sorted(await claim(database, PLACES)) == many[1:PLACES]

    # One that ends makes room for the next.
    await close(database, many[0], WorkflowStatus.COMPLETED)
    assert await claim(database, PLACES) == [many[PLACES]]


async def test_two_workers_never_get_the_same(database: Database) -> None:
    ids = [await add(database) for _ in range(4)]

    async with database.lobby() as one, database.lobby() as other:
        claimed = await WorkflowDispatch(one).claim_pending(2)
        # Does not wait for the first to commit.
        claimed += await WorkflowDispatch(other).claim_pending(2)

    assert sorted(execution.id for execution in claimed) == ids


async def test_what_could_not_be_started_is_given_back(database: Database) -> None:
    id = await add(database)
    assert await claim(database) == [id]

    async with database.lobby() as lobby:
        await WorkflowDispatch(lobby).release([id])

    assert await claim(database) == [id]


async def test_what_a_worker_took_and_did_not_start_is_given_to_the_next(
    database: Database,
) -> None:
    id = await add(database)
    assert await claim(database) == [id]
    assert await claim(database) == []

    await age(database, checked_at=utcnow() - CLAIM_LEASE - timedelta(seconds=1))

    assert await claim(database) == [id]


async def test_what_runs_is_pending_no_more(database: Database) -> None:
    id = await add(database)
    await mark_running(database, id)
    await age(database, checked_at=utcnow() - timedelta(days=1))

    assert await claim(database) == []
    assert await claim_running(database) == [id]


async def test_what_has_ended_is_not_reopened(database: Database) -> None:
    # The workflow may be quicker than the dispatcher that started it.
    id = await add(database)
    assert await close(database, id, WorkflowStatus.COMPLETED)

    await mark_running(database, id)

    assert not await close(database, id, WorkflowStatus.FAILED)
    assert await claim_running(database) == []


async def test_running_ones_are_looked_at_in_turn(database: Database) -> None:
    first, second = await add(database), await add(database)
    await mark_running(database, first, second)
    assert await claim_running(database) == []

    await age(database, checked_at=utcnow() - CHECK_INTERVAL - timedelta(seconds=1))

    looked_at = await claim_running(database, 1) + await claim_running(database, 1)
    assert sorted(looked_at) == [first, second]
    assert await claim_running(database) == []


async def test_deletions_are_looked_at_more_rarely(database: Database) -> None:
    id = await add(database, WorkflowKind.DELETE_TENANT)
    await mark_running(database, id)

    await age(database, checked_at=utcnow() - CHECK_INTERVAL - timedelta(seconds=1))
    assert await claim_running(database) == []
    await age(database, checked_at=utcnow() - CHECK_INTERVAL_OF_DELETIONS - timedelta(seconds=1))
    assert await claim_running(database) == [id]
