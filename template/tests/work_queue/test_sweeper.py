"""What is put right by the clock: jobs that were lost, what is long over, and the hourly clean-up."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from sqlmodel import col

from app.core.identifiers import utcnow, uuid7
from app.core.settings import Settings
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind
from app.repositories.public.workflow_queue import IS_OPEN
from app.services.background_work import BackgroundWork
from app.work_queue.engine import EVERY_HOUR, Engine
from app.work_queue.queries import ObservedDriver, queries
from app.work_queue.sweeper import WITHOUT_A_JOB, Sweeper
from tests import background
from tests.engine_postgres import running
from tests.plans import OPEN_EXECUTIONS, WITHOUT_ALTERNATIVE

pytestmark = pytest.mark.thorough

HOUR = timedelta(hours=1)


async def lose_job(work: BackgroundWork, driver: ObservedDriver, age: timedelta) -> UUID:
    """Request a clean-up whose job is gone, as all others are."""
    id, _ = await background.request_clean_up(work)
    await driver.execute("DELETE FROM queue.pgqueuer")
    async with work.database.lobby() as lobby:
        await lobby.execute(
            update(WorkflowExecution).where(IS_OPEN).values(created_at=utcnow() - age)
        )
    return id


async def payloads(driver: ObservedDriver) -> list[bytes | None]:
    return [job.payload for job in await queries(driver).browse_queue(100, 0)]


async def clean_ups(work: BackgroundWork, since: datetime) -> int:
    query = select(func.count()).where(
        col(WorkflowExecution.kind) == WorkflowKind.CLEAN_UP,
        col(WorkflowExecution.created_at) >= since,
    )
    async with work.database.lobby() as lobby:
        return await lobby.scalar(query) or 0


async def test_an_execution_that_lost_its_job_gets_another(
    work: BackgroundWork, driver: ObservedDriver
) -> None:
    id = await lose_job(work, driver, HOUR)
    sweeper = Sweeper(driver, HOUR)

    await sweeper.enqueue_lost()
    await sweeper.enqueue_lost()

    assert await payloads(driver) == [str(id).encode()]


async def test_mail_that_lost_its_job_is_still_the_last(
    work: BackgroundWork, driver: ObservedDriver
) -> None:
    _, mail = await background.request_mail(work)
    id = await lose_job(work, driver, HOUR)

    await Sweeper(driver, HOUR).enqueue_lost()
    await Sweeper(driver, HOUR).take_turns()

    assert await payloads(driver) == [str(each).encode() for each in (id, mail.id)]


async def test_an_execution_of_this_moment_is_left_alone(
    work: BackgroundWork, driver: ObservedDriver
) -> None:
    await lose_job(work, driver, timedelta())

    await Sweeper(driver, HOUR).enqueue_lost()

    assert await payloads(driver) == []


async def test_an_execution_that_is_over_gets_none(
    work: BackgroundWork, driver: ObservedDriver
) -> None:
    id = await lose_job(work, driver, HOUR)
    await work.outcomes.complete(id)

    await Sweeper(driver, HOUR).enqueue_lost()

    assert await payloads(driver) == []


async def test_open_executions_are_found_by_their_index(driver: ObservedDriver) -> None:
    for change in WITHOUT_ALTERNATIVE:
        await driver.execute(change)
    plan = await driver.fetch(f"EXPLAIN {WITHOUT_A_JOB}", 100)
    assert OPEN_EXECUTIONS in str(plan)


async def test_the_log_of_what_is_over_is_forgotten(
    work: BackgroundWork, driver: ObservedDriver
) -> None:
    await background.request_clean_up(work)
    await driver.execute("UPDATE queue.pgqueuer_log SET created = now() - interval '2 hours'")
    sweeper = Sweeper(driver, HOUR)

    await sweeper.forget()
    assert len(await queries(driver).queue_log()) == 1, "its attempts are still counted"
    await driver.execute("DELETE FROM queue.pgqueuer")
    await sweeper.forget()

    assert await queries(driver).queue_log() == []


async def test_jobs_of_work_that_was_given_up_as_unknown_are_forgotten(
    work: BackgroundWork, driver: ObservedDriver
) -> None:
    await background.request_clean_up(work)
    unknown = str(uuid7())
    await queries(driver).enqueue("of_tomorrow", unknown.encode(), dedupe_key=unknown)

    await Sweeper(driver, HOUR).forget()

    jobs = await driver.fetch("SELECT entrypoint FROM queue.pgqueuer")
    assert [job["entrypoint"] for job in jobs] == ["clean_up"]


async def test_two_workers_clean_up_once_an_hour(
    work: BackgroundWork, separate: Settings, driver: ObservedDriver
) -> None:
    began = utcnow()
    await driver.execute("DELETE FROM queue.pgqueuer_schedules")
    await driver.execute(
        "INSERT INTO queue.pgqueuer_schedules (expression, entrypoint, next_run)"
        " VALUES ($1, 'request_clean_up', now() - interval '1 hour')",
        EVERY_HOUR,
    )

    async def cleaned_up() -> bool:
        return await clean_ups(work, began) > 0 and await payloads(driver) == []

    async with running(Engine(work, separate)), running(Engine(work, separate)):
        await background.eventually(cleaned_up)

    assert await clean_ups(work, began) == 1
    [schedule] = [
        schedule
        for schedule in await queries(driver).peek_schedule()
        if schedule.entrypoint == "request_clean_up"
    ]
    assert began < schedule.next_run <= utcnow() + HOUR


async def test_readiness_follows_postgres(work: BackgroundWork, separate: Settings) -> None:
    async with background.behind_a_gate(separate) as (gate, remote):
        engine = Engine(remote, separate)
        assert not engine.is_ready()
        assert engine.is_alive()
        async with running(engine):
            await background.eventually(lambda: _is(engine, ready=True))
            await gate.close()
            await background.eventually(lambda: _is(engine, ready=False))
            assert engine.is_alive()
            await gate.open()
            await background.eventually(lambda: _is(engine, ready=True))


async def _is(engine: Engine, *, ready: bool) -> bool:
    return engine.is_ready() is ready


async def test_tenants_take_turns(work: BackgroundWork, driver: ObservedDriver) -> None:
    await background.end_all(work)
    await driver.execute("DELETE FROM queue.pgqueuer")
    many = [mail.id for _, mail in await background.request_mails(work, 3)]
    [(_, other)] = await background.request_mails(work, 1)
    assert await in_order(driver) == [many[0], other.id, *many[1:]]

    # What was done before makes the others' turns earlier, and those of new requests no earlier than theirs.
    await driver.execute("DELETE FROM queue.pgqueuer WHERE dedupe_key = $1", str(many[0]))
    await driver.execute("DELETE FROM queue.pgqueuer WHERE dedupe_key = $1", str(many[1]))
    [(_, later)] = await background.request_mails(work, 1)
    assert await in_order(driver) == [other.id, later.id, many[2]]
    await Sweeper(driver, HOUR).take_turns()

    assert await in_order(driver) == [many[2], other.id, later.id]


async def in_order(driver: ObservedDriver) -> list[UUID]:
    rows = await driver.fetch(
        "SELECT dedupe_key FROM queue.pgqueuer WHERE status = 'queued' ORDER BY priority DESC, id"
    )
    return [UUID(str(row["dedupe_key"])) for row in rows]
