"""`DeleteTenant` under time skipping: days of sleep, and what may happen meanwhile."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from temporalio.testing import WorkflowEnvironment

from app.core.settings import Settings
from app.models.public.tenants import TenantStatus
from app.models.public.workflow_executions import WorkflowKind, WorkflowStatus
from app.services.background_work import BackgroundWork
from tests import background, outcomes
from tests.background import Requested
from tests.temporal.running import await_attempt, ended_at, given_up_in_an_outage, start, worker

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
GRACE = 3 * DAY


async def request_deletion(
    work: BackgroundWork, settings: Settings, time_skipping: WorkflowEnvironment
) -> tuple[Requested, UUID]:
    """Delete a ready tenant; its grace period begins on the server's clock."""
    ready, execution_id = await background.request_deletion(work, settings, GRACE)
    due_at = await time_skipping.get_current_time() + GRACE
    await background.set_due(work, ready.tenant_id, due_at)
    return ready, execution_id


async def test_a_tenant_is_dropped_when_its_grace_period_ends(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, separate: Settings
) -> None:
    ready, execution_id = await request_deletion(work, separate, time_skipping)
    began = await time_skipping.get_current_time()

    async with worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, execution_id, task_queue)
        await time_skipping.sleep(GRACE - DAY / 2)
        before = await background.tenant(work, ready.tenant_id)
        await handle.result()

    assert before.status is TenantStatus.DELETING
    assert await ended_at(handle) - began >= GRACE
    await outcomes.assert_deleted(work, ready.tenant_id, execution_id)


async def test_a_restored_tenant_wakes_the_workflow_within_a_day(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, separate: Settings
) -> None:
    ready, execution_id = await request_deletion(work, separate, time_skipping)

    async with worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, execution_id, task_queue)
        await time_skipping.sleep(GRACE / 2)
        async with work.database.lobby() as lobby:
            await background.lifecycle(lobby, separate).restore(ready.tenant_id)
        restored_at = await time_skipping.get_current_time()
        await handle.result()

    assert await ended_at(handle) - restored_at <= DAY
    await outcomes.assert_kept(work, ready.tenant_id, execution_id)


async def test_a_grace_period_can_be_prolonged_while_the_workflow_sleeps(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, separate: Settings
) -> None:
    ready, execution_id = await request_deletion(work, separate, time_skipping)

    async with worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, execution_id, task_queue)
        await time_skipping.sleep(GRACE - DAY / 2)
        prolonged_at = await time_skipping.get_current_time()
        await background.set_due(work, ready.tenant_id, prolonged_at + GRACE)
        await handle.result()

    assert await ended_at(handle) - prolonged_at >= GRACE
    await outcomes.assert_deleted(work, ready.tenant_id, execution_id)


async def test_a_mistake_is_tried_again_as_an_outage_is(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, separate: Settings
) -> None:
    ready, execution_id = await request_deletion(work, separate, time_skipping)

    async with worker(time_skipping.client, work) as task_queue:
        async with background.undroppable(work, ready):
            handle = await start(time_skipping.client, work, execution_id, task_queue)
            ending = asyncio.create_task(handle.result())
            await await_attempt(handle, 5, "drop_tenant")
        await ending

    await outcomes.assert_deleted(work, ready.tenant_id, execution_id)


async def test_an_outage_without_end_is_given_up_and_the_next_deletion_requested(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, separate: Settings
) -> None:
    ready, execution_id = await request_deletion(work, separate, time_skipping)

    await given_up_in_an_outage(time_skipping, work, separate, execution_id, "fail_deletion")

    await outcomes.assert_failed(work, execution_id, "read_due_date: Unavailable")
    *_, next_one = await background.executions_of(work, ready.tenant_id)
    assert (next_one.kind, next_one.status) == (WorkflowKind.DELETE_TENANT, WorkflowStatus.PENDING)
