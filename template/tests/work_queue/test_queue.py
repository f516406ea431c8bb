"""A job for each requested execution, in the same transaction, by whoever writes the row."""

from contextlib import suppress

import pytest
from pgqueuer import Job

from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.services.background_work import BackgroundWork
from app.work_queue.jobs import execution_of
from app.work_queue.queries import NAMES, ObservedDriver, queries
from tests import background

pytestmark = pytest.mark.thorough


class Undone(Exception):
    """Takes a transaction back."""


async def jobs(driver: ObservedDriver) -> list[Job]:
    return await queries(driver).browse_queue(100, 0)


async def test_a_request_has_its_job_when_it_commits(
    work: BackgroundWork, driver: ObservedDriver
) -> None:
    requested = await background.request_tenant(work)

    [job] = await jobs(driver)

    assert execution_of(job).id == requested.execution_id
    assert execution_of(job).kind is WorkflowKind.PROVISION_TENANT
    assert (job.status, job.attempts) == ("queued", 0)


async def test_a_request_that_is_taken_back_leaves_no_job(
    work: BackgroundWork, driver: ObservedDriver
) -> None:
    with suppress(Undone):
        async with work.database.lobby() as lobby:
            await lobby.add(WorkflowExecution(kind=WorkflowKind.CLEAN_UP))
            raise Undone

    assert await jobs(driver) == []


async def test_a_row_that_is_over_needs_no_job(
    work: BackgroundWork, driver: ObservedDriver
) -> None:
    over = WorkflowExecution(kind=WorkflowKind.CLEAN_UP, status=WorkflowStatus.COMPLETED)
    over.finished_at = over.created_at
    async with work.database.lobby() as lobby:
        await lobby.add(over)

    assert await jobs(driver) == []


async def test_the_tables_are_what_the_installed_library_wants(driver: ObservedDriver) -> None:
    # If not: `pgq --schema queue upgrade --plan` says what a migration of yours has to do.
    plan = await queries(driver).plan_upgrade()
    assert plan.statements == ()


def test_the_environment_changes_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHANNEL", "PGQUEUER_CHANNEL", "PGQUEUER_PREFIX"):
        monkeypatch.setenv(name, "elsewhere")
    assert type(NAMES)(db_schema="queue") == NAMES
