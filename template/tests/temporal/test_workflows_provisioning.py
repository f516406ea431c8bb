"""`ProvisionTenant` under time skipping, with the real activities: retries, compensation, cancellation."""

import asyncio

import pytest
from sqlalchemy import text
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

from app.core.db.owner import connection_of
from app.core.settings import Settings
from app.models.public.tenants import TenantStatus
from app.models.public.workflow_executions import WorkflowStatus
from app.services.background_work import BackgroundWork
from tests import background
from tests.background import Requested
from tests.temporal.running import attempts, await_attempt, start, worker


async def break_migrations(work: BackgroundWork, requested: Requested) -> None:
    """Make a table that the first migration will want to make."""
    await work.provisioning.create_schema(requested.execution_id)
    schema = (await background.tenant(work, requested.tenant_id)).schema_name
    async with work.owner.lobby() as session:
        connection = await connection_of(session)
        await connection.execute(text(f'CREATE TABLE "{schema}".projects ()'))


async def assert_failed(work: BackgroundWork, requested: Requested) -> str:
    """Check that nothing of the tenant is left, and return what its execution says."""
    tenant = await background.tenant(work, requested.tenant_id)
    assert tenant.status is TenantStatus.FAILED
    assert await background.tables(work, tenant.schema_name) == set()
    assert not await background.role_exists(work, tenant.role_name)
    execution = await background.execution(work, requested.execution_id)
    assert execution.status is WorkflowStatus.FAILED
    assert execution.finished_at is not None
    return execution.error or ""


async def test_a_request_becomes_a_tenant(
    time_skipping: WorkflowEnvironment, work: BackgroundWork
) -> None:
    requested = await background.request_tenant(work)

    async with worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, requested.execution_id, task_queue)
        await handle.result()

    tenant = await background.tenant(work, requested.tenant_id)
    assert tenant.status is TenantStatus.READY
    assert "projects" in await background.tables(work, tenant.schema_name)


async def test_a_migration_that_fails_is_compensated(
    time_skipping: WorkflowEnvironment, work: BackgroundWork
) -> None:
    requested = await background.request_tenant(work)
    await break_migrations(work, requested)

    async with worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, requested.execution_id, task_queue)
        with pytest.raises(WorkflowFailureError):
            await handle.result()

    error = await assert_failed(work, requested)
    assert error.startswith("migrate_schema: DuplicateTableError")
    # It does not look like an outage: three attempts are enough.
    assert await attempts(handle, "migrate_schema") == 3


async def test_an_outage_of_the_database_is_waited_for(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, separate: Settings
) -> None:
    requested = await background.request_tenant(work)

    async with background.behind_a_gate(separate) as (gate, remote):
        await gate.close()
        async with worker(time_skipping.client, remote) as task_queue:
            handle = await start(time_skipping.client, work, requested.execution_id, task_queue)
            await await_attempt(handle, 2, "create_schema")
            await gate.open()
            await handle.result()

    assert (await background.tenant(work, requested.tenant_id)).status is TenantStatus.READY


async def test_an_outage_without_end_is_given_up_and_recorded_once_it_ends(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, separate: Settings
) -> None:
    requested = await background.request_tenant(work)

    async with background.behind_a_gate(separate) as (gate, remote):
        await gate.close()
        async with worker(time_skipping.client, remote) as task_queue:
            handle = await start(time_skipping.client, work, requested.execution_id, task_queue)
            ending = asyncio.create_task(handle.result())
            await await_attempt(handle, 2, "fail_provisioning")
            await gate.open()
            with pytest.raises(WorkflowFailureError):
                await ending

    error = await assert_failed(work, requested)
    assert error.startswith("create_schema: Unavailable")
    assert "drop_unready_schema: Unavailable" in error
    assert await attempts(handle, "create_schema") == 40


async def test_an_operator_who_cancels_gets_a_failed_tenant_without_a_schema(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, separate: Settings
) -> None:
    requested = await background.request_tenant(work)

    async with background.behind_a_gate(separate) as (gate, remote):
        await gate.close()
        async with worker(time_skipping.client, remote) as task_queue:
            handle = await start(time_skipping.client, work, requested.execution_id, task_queue)
            await await_attempt(handle, 2, "create_schema")
            await handle.cancel()
            await gate.open()
            with pytest.raises(WorkflowFailureError):
                await handle.result()

    assert "cancelled" in (await assert_failed(work, requested)).lower()


async def test_a_cancelled_request_is_not_carried_out(
    time_skipping: WorkflowEnvironment, work: BackgroundWork
) -> None:
    requested = await background.request_tenant(work)
    await work.provisioning.fail(requested.execution_id, "by hand")

    async with worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, requested.execution_id, task_queue)
        await handle.result()

    assert await assert_failed(work, requested) == "by hand"
