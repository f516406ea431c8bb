"""From a job to its outcome: retries, what a worker's death counts for, and what the queue keeps about failures."""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Final
from uuid import uuid4

import pytest
from pgqueuer import Job, RetryRequested
from pgqueuer.models import TracebackRecord
from pgqueuer.queries import EntrypointExecutionParameter
from pgqueuer.types import QueueEntrypoint, QueueManagerId

from app.core.identifiers import utcnow
from app.core.settings import Settings
from app.models.public.workflow_executions import WorkflowKind
from app.services.background_work import BackgroundWork
from app.services.workflow_attempts import RETRIES, Retries, WorkflowAttempts
from app.work_queue.engine import Engine
from app.work_queue.jobs import GivenUp, Jobs, execution_of
from app.work_queue.queries import ObservedDriver, queries
from tests import background, outcomes
from tests.engine_postgres import running
from tests.engines import TestedEngine
from tests.smtp_server import SmtpServer

pytestmark = pytest.mark.thorough

EVERY_KIND: Final = {
    QueueEntrypoint(kind.value): EntrypointExecutionParameter(concurrency_limit=0)
    for kind in WorkflowKind
}


def quick_engine(
    work: BackgroundWork, settings: Settings, attempts: int = 40
) -> AbstractAsyncContextManager[Engine]:
    """Run an engine that does not pause between attempts."""
    at_once = dict.fromkeys(RETRIES, Retries(timedelta(), timedelta(), attempts))
    return running(Engine(work, settings, WorkflowAttempts(work, at_once)))


async def pick(driver: ObservedDriver) -> Job:
    """Take the next job, or one whose worker has not been heard of for this moment."""
    [job] = await queries(driver).dequeue(
        batch_size=1,
        entrypoints=EVERY_KIND,
        queue_manager_id=QueueManagerId(uuid4()),
        global_concurrency_limit=None,
        heartbeat_timeout=timedelta(),
    )
    return job


async def put_back(driver: ObservedDriver, jobs: Jobs) -> float:
    """Have the next job put back as the library does, but for now; return the seconds that it asked for."""
    job = await pick(driver)
    with pytest.raises(RetryRequested) as retry:
        await jobs.run(job)
    record = TracebackRecord.from_exception(retry.value, job.id, {"reason": retry.value.reason})
    await queries(driver).retry_job(job, timedelta(), record)
    return retry.value.delay.total_seconds()


async def test_a_migration_that_fails_is_compensated(
    work: BackgroundWork, separate: Settings, driver: ObservedDriver
) -> None:
    requested = await background.request_tenant(work)
    await background.break_migrations(work, requested)

    async with quick_engine(work, separate):
        await background.eventually(lambda: background.have_ended(work, requested.execution_id))

    await outcomes.assert_compensated(work, requested, "migrate_schema: UndefinedColumnError")
    history = [line.status for line in await queries(driver).queue_log()]
    # It does not look like an outage: three attempts are enough.
    assert history.count("picked") == 3
    assert history[-1] == "exception"


async def test_a_mail_waits_for_its_server(work: BackgroundWork, driver: ObservedDriver) -> None:
    _, requested = await background.request_mail(work)
    jobs = Jobs(WorkflowAttempts(work), queries(driver))

    with pytest.raises(RetryRequested) as first:
        await jobs.run(await pick(driver))
    with pytest.raises(RetryRequested) as second:
        await jobs.run(await pick(driver))

    assert first.value.reason == "send_email: MailDelayed: SMTPConnectError"
    pauses = [retry.value.delay.total_seconds() for retry in (first, second)]
    assert pauses == [5, 10]
    assert not await background.have_ended(work, requested.id)


async def test_mail_waits_for_everything_else(work: BackgroundWork, driver: ObservedDriver) -> None:
    await background.request_mail(work)
    requested = await background.request_tenant(work)

    assert execution_of(await pick(driver)).id == requested.execution_id


async def test_a_job_that_kills_its_worker_each_time_is_given_up(
    work: BackgroundWork, driver: ObservedDriver
) -> None:
    requested = await background.request_tenant(work)
    twice = Retries(timedelta(), timedelta(), attempts=2)
    jobs = Jobs(WorkflowAttempts(work, dict.fromkeys(RETRIES, twice)), queries(driver))

    for _ in range(3):
        job = await pick(driver)
    with pytest.raises(GivenUp, match=r"The last attempt ended with its process\."):
        await jobs.run(job)

    await outcomes.assert_compensated(work, requested, "The last attempt")


async def test_waiting_is_no_attempt(
    work: BackgroundWork, separate: Settings, driver: ObservedDriver, engine: TestedEngine
) -> None:
    deleted, deletion_id = await background.request_deletion(work, separate, timedelta(hours=1))
    async with quick_engine(work, separate, attempts=1):
        await background.eventually(lambda: background.has_begun(work, deletion_id))
    await background.set_due(work, deleted.tenant_id, utcnow())
    await engine.make_due(work)

    async with quick_engine(work, separate, attempts=1):
        await background.eventually(lambda: background.have_ended(work, deletion_id))

    await outcomes.assert_deleted(work, deleted.tenant_id, deletion_id)
    assert len(await queries(driver).queue_log()) > 3


async def test_an_attempt_that_cannot_begin_is_put_back(
    work: BackgroundWork, separate: Settings, driver: ObservedDriver
) -> None:
    requested = await background.request_tenant(work)

    async with background.behind_a_gate(separate) as (gate, remote):
        await gate.close()
        with pytest.raises(RetryRequested, match="Unavailable"):
            await Jobs(WorkflowAttempts(remote), queries(driver)).run(await pick(driver))

    assert not await background.have_ended(work, requested.execution_id)


async def test_what_cannot_begin_is_no_attempt(
    work: BackgroundWork, separate: Settings, driver: ObservedDriver
) -> None:
    requested = await background.request_tenant(work)
    once = dict.fromkeys(RETRIES, Retries(timedelta(), timedelta(), attempts=1))

    async with background.behind_a_gate(separate) as (gate, remote):
        jobs = Jobs(WorkflowAttempts(remote, once), queries(driver))
        await gate.close()
        pauses = [await put_back(driver, jobs) for _ in range(6)]
        await gate.open()
        await jobs.run(await pick(driver))

    assert pauses == [5, 10, 20, 40, 60, 60]
    await outcomes.assert_provisioned(work, requested)


async def test_the_queue_keeps_no_secret(
    work: BackgroundWork, separate: Settings, driver: ObservedDriver
) -> None:
    smtp = SmtpServer(refuses=True)
    invite, requested = await background.request_mail(work)
    [payload] = [job.payload for job in await queries(driver).browse_queue(9, 0)]

    async with (
        background.working(smtp.used_by(separate)) as with_mail,
        smtp.open(),
        quick_engine(with_mail, separate),
    ):
        await background.eventually(lambda: background.have_ended(work, requested.id))

    await outcomes.assert_failed(
        work, requested.id, "send_email: MailRefused: SMTPRecipientsRefused"
    )
    assert payload == str(requested.id).encode()
    [failure] = [line.traceback for line in await queries(driver).queue_log() if line.traceback]
    assert "MailRefused" in failure.exception_message
    assert invite.email not in failure.model_dump_json()
