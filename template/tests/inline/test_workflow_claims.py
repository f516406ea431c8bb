"""The queue as several processes read it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, select
from sqlmodel import col

from app.core.db.database import Database
from app.core.settings import Settings
from app.models.public.workflow_claims import WorkflowClaim
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.repositories.public.workflow_claims import WorkflowClaims
from app.repositories.public.workflow_queue import WorkflowQueue
from app.services.background_work import BackgroundWork
from tests import background

pytestmark = pytest.mark.thorough

ONE, OTHER = uuid4(), uuid4()
LONG, OVER = timedelta(minutes=1), timedelta(seconds=-1)


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


async def add(database: Database) -> UUID:
    execution = WorkflowExecution(kind=WorkflowKind.CLEAN_UP)
    async with database.lobby() as lobby:
        await lobby.add(execution)
    return execution.id


async def claim(
    database: Database, holder: UUID = ONE, lease: timedelta = LONG, limit: int = 10
) -> dict[UUID, int]:
    async with database.lobby() as lobby:
        claimed = await WorkflowClaims(lobby, holder).claim(limit, lease)
    return {each.id: each.attempt for each in claimed}


async def extend(database: Database, holder: UUID, *ids: UUID) -> set[UUID]:
    async with database.lobby() as lobby:
        return await WorkflowClaims(lobby, holder).extend(ids, LONG)


async def put_back(
    database: Database, id: UUID, after: timedelta, *, uncounted: bool = False
) -> None:
    async with database.lobby() as lobby:
        await WorkflowClaims(lobby, ONE).put_back(id, after, uncounted=uncounted)


async def test_the_oldest_come_first(database: Database) -> None:
    ids = [await add(database) for _ in range(3)]

    assert sorted(await claim(database, limit=2)) == ids[:2]
    assert [*await claim(database, limit=2)] == ids[2:]


async def test_tenants_take_turns(database: Database, work: BackgroundWork) -> None:
    many = [mail.id for _, mail in await background.request_mails(work, 3)]
    [(_, other)] = await background.request_mails(work, 1)

    # What is in hand keeps its turn.
    assert [*await claim(database, limit=1)] == many[:1]
    assert [*await claim(database, limit=1)] == [other.id]
    assert [*await claim(database)] == many[1:]


async def test_two_processes_never_get_the_same(database: Database) -> None:
    ids = [await add(database) for _ in range(4)]

    async with database.lobby() as one, database.lobby() as other:
        claimed = await WorkflowClaims(one, ONE).claim(2, LONG)
        # Does not wait for the first to commit.
        claimed += await WorkflowClaims(other, OTHER).claim(2, LONG)

    assert sorted(each.id for each in claimed) == ids


async def test_what_a_process_has_is_nobody_elses(database: Database) -> None:
    id = await add(database)
    assert await claim(database, ONE) == {id: 1}
    assert await claim(database, OTHER) == {}


async def test_what_is_heard_of_no_more_is_the_next_ones_second_attempt(
    database: Database,
) -> None:
    id = await add(database)
    assert await claim(database, ONE, OVER) == {id: 1}

    assert await claim(database, OTHER) == {id: 2}

    assert await extend(database, ONE, id) == set()
    assert await extend(database, OTHER, id) == {id}


async def test_what_its_holder_has_still_is_passed_over(database: Database) -> None:
    first, second = await add(database), await add(database)
    assert sorted(await claim(database, lease=OVER)) == [first, second]

    async with database.lobby() as lobby:
        claimed = await WorkflowClaims(lobby, ONE).claim(10, LONG, but=[first])

    assert [each.id for each in claimed] == [second]


async def test_a_lease_is_renewed(database: Database) -> None:
    id = await add(database)
    await claim(database, ONE, OVER)

    assert await extend(database, ONE, id) == {id}

    assert await claim(database, OTHER) == {}


async def test_what_is_put_back_waits_for_its_time(database: Database) -> None:
    id = await add(database)
    await claim(database)

    await put_back(database, id, LONG)
    assert await claim(database, OTHER) == {}
    await put_back(database, id, OVER)
    assert await claim(database, OTHER) == {}, "it was no longer the first one's to put back"


async def test_an_attempt_counts_unless_nothing_was_attempted(database: Database) -> None:
    id = await add(database)

    assert await claim(database) == {id: 1}
    await put_back(database, id, OVER, uncounted=True)
    assert await claim(database) == {id: 1}
    await put_back(database, id, OVER)
    assert await claim(database) == {id: 2}


async def test_what_has_ended_is_not_claimed(database: Database) -> None:
    id = await add(database)
    async with database.lobby() as lobby:
        await WorkflowQueue(lobby).close(id, WorkflowStatus.CANCELLED)

    assert await claim(database) == {}


async def test_no_claim_outlives_its_execution(database: Database) -> None:
    first, second = await add(database), await add(database)
    await claim(database)

    async with database.lobby() as lobby:
        await WorkflowClaims(lobby, ONE).drop(first)
        await lobby.execute(delete(WorkflowExecution).where(col(WorkflowExecution.id) == second))

    async with database.lobby() as lobby:
        assert await lobby.scalars(select(WorkflowClaim)) == []
