"""`ProvisionTenant` under time skipping, with the real activities: retries, compensation, cancellation."""

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

from app.core.settings import Settings
from app.services.background_work import BackgroundWork
from tests import background, outcomes
from tests.temporal.running import attempts, await_attempt, given_up_in_an_outage, start, worker

pytestmark = pytest.mark.slow


async def test_a_request_becomes_a_tenant(
    time_skipping: WorkflowEnvironment, work: BackgroundWork
) -> None:
    requested = await background.request_tenant(work)

    async with worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, requested.execution_id, task_queue)
        await handle.result()

    await outcomes.assert_provisioned(work, requested)


async def test_a_migration_that_fails_is_compensated(
    time_skipping: WorkflowEnvironment, work: BackgroundWork
) -> None:
    requested = await background.request_tenant(work)
    await background.break_migrations(work, requested)

    async with worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, requested.execution_id, task_queue)
        with pytest.raises(WorkflowFailureError):
            await handle.result()

    await outcomes.assert_compensated(work, requested, "migrate_schema: UndefinedColumnError")
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

    await outcomes.assert_provisioned(work, requested)


async def test_an_outage_without_end_is_given_up_and_recorded_once_it_ends(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, separate: Settings
) -> None:
    requested = await background.request_tenant(work)

    handle = await given_up_in_an_outage(
        time_skipping, work, separate, requested.execution_id, "fail_provisioning"
    )

    await outcomes.assert_compensated(work, requested, "create_schema: Unavailable")
    execution = await background.execution(work, requested.execution_id)
    assert "drop_unready_schema: Unavailable" in (execution.error or "")
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

    await outcomes.assert_compensated(work, requested, "create_schema: ")
    execution = await background.execution(work, requested.execution_id)
    assert "cancelled" in (execution.error or "").lower()


async def test_a_cancelled_request_is_not_carried_out(
    time_skipping: WorkflowEnvironment, work: BackgroundWork
) -> None:
    requested = await background.request_tenant(work)
    await work.provisioning.fail(requested.execution_id, "by hand")

    async with worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, requested.execution_id, task_queue)
        await handle.result()

    await outcomes.assert_compensated(work, requested, "by hand")
