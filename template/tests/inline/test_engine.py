"""Background work in API processes: when it begins, how much at once, how it ends, and by the clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text, update
from sqlmodel import col

from app.core.identifiers import utcnow
from app.core.settings import Settings
from app.inline.engine import Engine
from app.inline.schedules import id_of_hour, request_clean_up
from app.main import create_app
from app.models.public.workflow_claims import WorkflowClaim
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.repositories.public.workflow_claims import WorkflowClaims
from app.services.background_work import BackgroundWork
from app.services.workflow_attempts import RETRIES, Retries, WorkflowAttempts
from tests import background, outcomes
from tests.engines import TestedEngine
from tests.environments import environment_of
from tests.lifespan import started
from tests.patience import PATIENCE
from tests.plans import OPEN_EXECUTIONS, plans_of
from tests.shell import Shell
from tests.smtp_server import SmtpServer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_waits")]

AT_ONCE = dict.fromkeys(RETRIES, Retries(timedelta(), timedelta(), attempts=40))


def engine_of(work: BackgroundWork, settings: Settings, **changes: object) -> Engine:
    """Return an engine with other settings than most; it does not wait for what is held up."""
    soon = {"drain_timeout": timedelta(seconds=0.1)}
    changed = settings.background.model_copy(update={**soon, **changes})
    return Engine(work, changed, WorkflowAttempts(work, AT_ONCE))


async def listens(work: BackgroundWork) -> bool:
    """Tell whether an engine hears what is announced."""
    query = text(
        "SELECT count(*) FROM pg_catalog.pg_stat_activity"
        " WHERE query LIKE 'LISTEN %' AND datname = current_database()"
    )
    async with work.owner.engine.connect() as connection:
        return bool(await connection.scalar(query))


async def is_deaf(work: BackgroundWork) -> bool:
    """Tell the opposite."""
    return not await listens(work)


async def has_looked(engine: Engine) -> None:
    """Wait until an engine has looked for work, from the first moment to the last of it."""

    async def waits() -> bool:
        return not engine._wake.is_set()

    for _ in range(2):
        engine._wake.set()
        await background.eventually(waits)


@asynccontextmanager
async def held_up_in(engine: Engine, work: BackgroundWork) -> AsyncIterator[background.Requested]:
    """Yield a request that the running engine is in the middle of, as long as the block runs."""
    requested = await background.request_tenant(work)
    async with background.held_up(work, requested), engine.running():
        await background.eventually(lambda: background.somebody_waits(work))
        yield requested


async def test_a_commit_is_announced(work: BackgroundWork, separate: Settings) -> None:
    engine = engine_of(work, separate, poll_interval=timedelta(hours=1))
    async with engine.running():
        await background.eventually(lambda: listens(work))
        # It looks when it begins, and when it begins to listen.
        await has_looked(engine)
        requested = await background.request_tenant(work)
        await background.eventually(lambda: background.have_ended(work, requested.execution_id))

    await outcomes.assert_provisioned(work, requested)


async def test_a_migration_that_fails_is_compensated(
    work: BackgroundWork, separate: Settings
) -> None:
    requested = await background.request_tenant(work)
    await background.break_migrations(work, requested)

    async with engine_of(work, separate).running():
        await background.eventually(lambda: background.have_ended(work, requested.execution_id))

    await outcomes.assert_compensated(work, requested, "migrate_schema: UndefinedColumnError")


async def test_waiting_is_no_attempt(
    work: BackgroundWork, separate: Settings, engine: TestedEngine
) -> None:
    deleted, deletion_id = await background.request_deletion(work, separate, timedelta(hours=1))
    once = dict.fromkeys(RETRIES, Retries(timedelta(), timedelta(), attempts=1))
    async with Engine(work, separate.background, WorkflowAttempts(work, once)).running():
        await background.eventually(lambda: background.has_begun(work, deletion_id))
    await background.set_due(work, deleted.tenant_id, utcnow())
    await engine.make_due(work)

    async with Engine(work, separate.background, WorkflowAttempts(work, once)).running():
        await background.eventually(lambda: background.have_ended(work, deletion_id))

    await outcomes.assert_deleted(work, deleted.tenant_id, deletion_id)


async def test_no_more_at_once_than_is_set(work: BackgroundWork, separate: Settings) -> None:
    engine = engine_of(work, separate, concurrency=1)
    async with held_up_in(engine, work) as requested:
        second = await background.request_clean_up(work)
        await has_looked(engine)
        waiting = await background.execution(work, second[0])
        assert waiting.status is WorkflowStatus.PENDING

        # Another process has room for it.
        async with engine_of(work, separate, concurrency=1).running():
            await background.eventually(lambda: background.have_ended(work, second[0]))
        assert not await background.have_ended(work, requested.execution_id)


async def test_a_mail_server_that_hangs_holds_up_nothing_but_mail(
    work: BackgroundWork, separate: Settings
) -> None:
    post = SmtpServer(hangs=True)
    mails = [(await background.request_mail(work))[1].id for _ in range(4)]
    async with post.open(), background.working(post.used_by(separate)) as with_mail:
        engine = engine_of(with_mail, separate, concurrency=2)
        async with engine.running():
            await background.eventually(lambda: _has_begun(engine, mails[0]))
            assert not await _has_begun(engine, mails[1]), "a place is left"
            requested = await background.request_tenant(work)
            await background.eventually(lambda: background.have_ended(work, requested.execution_id))
            assert not await background.have_ended(work, *mails)

    await outcomes.assert_provisioned(work, requested)


async def test_tenants_that_take_long_hold_up_no_mail(
    work: BackgroundWork, separate: Settings
) -> None:
    post = SmtpServer()
    async with post.open(), background.working(post.used_by(separate)) as with_mail:
        engine = engine_of(with_mail, separate, concurrency=2)
        async with held_up_in(engine, with_mail):
            second = await background.request_tenant(work)
            _, mail = await background.request_mail(work)
            await background.eventually(lambda: background.have_ended(work, mail.id))
            assert not await _has_begun(engine, second.execution_id), "the place is for mail"

    await outcomes.assert_completed(work, mail.id)


async def test_one_at_a_time_is_enough_for_mail(work: BackgroundWork, separate: Settings) -> None:
    post = SmtpServer()
    _, mail = await background.request_mail(work)
    async with (
        post.open(),
        background.working(post.used_by(separate)) as with_mail,
        engine_of(with_mail, separate, concurrency=1).running(),
    ):
        await background.eventually(lambda: background.have_ended(work, mail.id))

    await outcomes.assert_completed(work, mail.id)


async def test_what_is_running_may_finish(work: BackgroundWork, separate: Settings) -> None:
    engine = engine_of(work, separate, drain_timeout=PATIENCE)
    requested = await background.request_tenant(work)
    async with background.held_up(work, requested):
        running = engine.running()
        await running.__aenter__()
        await background.eventually(lambda: background.somebody_waits(work))
        await background.eventually(lambda: listens(work))
        ending = asyncio.create_task(running.__aexit__(None, None, None))
        await background.eventually(lambda: is_deaf(work))
        assert not ending.done()
    await ending

    await outcomes.assert_provisioned(work, requested)


async def test_what_is_cut_off_is_anothers_at_once(
    work: BackgroundWork, separate: Settings
) -> None:
    engine = engine_of(work, separate, lease=timedelta(minutes=5))
    async with held_up_in(engine, work) as requested:
        pass

    async with engine_of(work, separate).running():
        await background.eventually(lambda: background.have_ended(work, requested.execution_id))

    await outcomes.assert_provisioned(work, requested)


async def test_who_was_given_up_for_dead_stops(work: BackgroundWork, separate: Settings) -> None:
    engine = engine_of(work, separate, lease=timedelta(seconds=0.3))
    async with held_up_in(engine, work) as requested:
        lapsed = {"due_at": utcnow() - timedelta(seconds=1)}
        async with work.database.lobby() as lobby:
            await lobby.execute(update(WorkflowClaim).values(lapsed))
            [claim] = await WorkflowClaims(lobby, uuid4()).claim(1, timedelta(minutes=1))
        assert (claim.id, claim.attempt) == (requested.execution_id, 2)
        await background.eventually(lambda: _has_stopped(engine))


async def test_it_does_not_take_from_itself(work: BackgroundWork, separate: Settings) -> None:
    engine = engine_of(work, separate, lease=timedelta(minutes=5))
    async with held_up_in(engine, work) as requested:
        own = col(WorkflowClaim.execution_id) == requested.execution_id
        async with work.database.lobby() as lobby:
            await lobby.execute(update(WorkflowClaim).where(own).values(due_at=utcnow()))
        await has_looked(engine)
        async with work.database.lobby() as lobby:
            attempts = await lobby.scalar(select(col(WorkflowClaim.attempts)).where(own))
        assert attempts == 1


async def _has_stopped(engine: Engine) -> bool:
    return not engine._running


async def test_what_begins_while_leases_are_renewed_goes_on(
    work: BackgroundWork, separate: Settings
) -> None:
    engine = engine_of(work, separate, lease=timedelta(minutes=5))
    async with held_up_in(engine, work):
        async with work.database.lobby() as lobby:
            await lobby.execute(select(col(WorkflowClaim.due_at)).with_for_update())
            renewing = asyncio.create_task(engine._extend())
            second = await background.request_tenant(work)
            await background.eventually(lambda: _has_begun(engine, second.execution_id))
            begun = engine._running[second.execution_id]
        await renewing
        assert not begun.cancelling()


async def _has_begun(engine: Engine, execution_id: UUID) -> bool:
    return execution_id in engine._running


async def test_two_processes_clean_up_once_an_hour(work: BackgroundWork) -> None:
    hour = utcnow().replace(minute=0, second=0, microsecond=0)

    await asyncio.gather(*(request_clean_up(work.database) for _ in range(4)))
    await background.end_all(work)
    await request_clean_up(work.database)

    query = select(func.count()).where(col(WorkflowExecution.id) == id_of_hour(hour))
    async with work.database.lobby() as lobby:
        assert await lobby.scalar(query) == 1


async def test_no_clean_up_is_asked_for_while_one_is_open(work: BackgroundWork) -> None:
    open_id, _ = await background.request_clean_up(work)
    await request_clean_up(work.database)

    query = select(col(WorkflowExecution.id)).where(
        col(WorkflowExecution.kind) == WorkflowKind.CLEAN_UP,
        col(WorkflowExecution.finished_at).is_(None),
    )
    async with work.database.lobby() as lobby:
        assert await lobby.scalars(query) == [open_id]


async def test_an_open_clean_up_is_found_by_its_index(work: BackgroundWork) -> None:
    [plan] = await plans_of(work, request_clean_up(work.database))
    assert OPEN_EXECUTIONS in plan


def test_an_hours_id_is_a_uuid_of_that_time() -> None:
    hour = datetime(2026, 11, 24, 10, tzinfo=UTC)

    assert str(id_of_hour(hour)) == "01a20cff-7d00-7000-8000-000000000000"
    assert id_of_hour(hour) < id_of_hour(hour + timedelta(hours=1))


async def test_the_api_process_does_it_from_start_to_shutdown(
    work: BackgroundWork, separate: Settings
) -> None:
    app = create_app(separate)
    async with started(app):
        requested = await background.request_tenant(work)
        await background.eventually(lambda: background.have_ended(work, requested.execution_id))

    await outcomes.assert_provisioned(work, requested)


def test_the_ddl_role_is_asked_for(separate: Settings, tmp_path: Path) -> None:
    shell = Shell(separate, environment_of(separate), tmp_path)

    outcome = shell.run("api", "--port", "0", DATABASE__OWNER_URL=None)

    assert outcome.code == 2
    assert outcome.err.startswith("DATABASE__OWNER_URL is not set; background work needs it")
