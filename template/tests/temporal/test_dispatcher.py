"""The dispatcher against a real Temporal: what it starts, finds lost, and finds ended."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text, update
from sqlmodel import col
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from app.core.identifiers import utcnow
from app.core.settings import Settings
from app.core.settings_temporal import TemporalSettings
from app.models.public.tenants import TenantStatus
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.services.background_work import BackgroundWork
from app.temporal.dispatcher import Dispatcher
from tests import background
from tests.temporal.running import Handle, worker

pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("nothing_waits")]

ALTER = "ALTER TABLE public.workflow_executions"
OF_TOMORROW = """
INSERT INTO public.workflow_executions (id, kind, status, created_at)
SELECT gen_random_uuid(), 'of_tomorrow', status, now() - interval '1 day'
FROM unnest(ARRAY['pending', 'running']) AS t(status)
"""


@pytest.fixture
def dispatcher(work: BackgroundWork, client: Client, temporal: TemporalSettings) -> Dispatcher:
    return Dispatcher(client, temporal.task_queue, work.database, work.outcomes)


def handle_of(client: Client, kind: WorkflowKind, id: UUID) -> Handle:
    return client.get_workflow_handle(f"{kind}-{id}")


async def status_of(client: Client, kind: WorkflowKind, id: UUID) -> WorkflowExecutionStatus | None:
    return (await handle_of(client, kind, id).describe()).status


async def run_id_of(client: Client, kind: WorkflowKind, id: UUID) -> str | None:
    return (await handle_of(client, kind, id).describe()).run_id


async def look_again(work: BackgroundWork, dispatcher: Dispatcher) -> None:
    """Reconcile as if nobody had looked at the running executions for an hour."""
    async with work.database.lobby() as lobby:
        await lobby.execute(
            update(WorkflowExecution)
            .where(col(WorkflowExecution.status) == WorkflowStatus.RUNNING)
            .values(checked_at=utcnow() - timedelta(hours=1))
        )
    await dispatcher.reconcile()


async def add_clean_up(
    work: BackgroundWork, status: WorkflowStatus = WorkflowStatus.PENDING
) -> UUID:
    execution = WorkflowExecution(kind=WorkflowKind.CLEAN_UP, status=status)
    async with work.database.lobby() as lobby:
        await lobby.add(execution)
    return execution.id


async def test_a_pending_execution_is_started(
    work: BackgroundWork, dispatcher: Dispatcher, client: Client
) -> None:
    id = await add_clean_up(work)

    assert not await dispatcher.start_pending()

    execution = await background.execution(work, id)
    assert execution.status is WorkflowStatus.RUNNING
    assert execution.started_at is not None
    assert await status_of(client, execution.kind, id) is WorkflowExecutionStatus.RUNNING


async def test_several_dispatchers_start_each_once(
    work: BackgroundWork, dispatcher: Dispatcher, client: Client
) -> None:
    ids = [await add_clean_up(work) for _ in range(30)]

    await asyncio.gather(*(dispatcher.start_pending() for _ in range(3)))

    for id in ids:
        assert (await background.execution(work, id)).status is WorkflowStatus.RUNNING
        status = await status_of(client, WorkflowKind.CLEAN_UP, id)
        assert status is WorkflowExecutionStatus.RUNNING


async def test_a_full_batch_says_that_there_may_be_more(
    work: BackgroundWork, dispatcher: Dispatcher
) -> None:
    for _ in range(21):
        await add_clean_up(work)

    assert await dispatcher.start_pending()
    assert not await dispatcher.start_pending()


async def test_what_a_killed_worker_had_started_is_not_started_again(
    work: BackgroundWork, dispatcher: Dispatcher, client: Client
) -> None:
    id = await add_clean_up(work)
    await dispatcher.start_pending()
    run_id = await run_id_of(client, WorkflowKind.CLEAN_UP, id)
    async with work.database.lobby() as lobby:
        # As if it had died before it could write this down.
        await lobby.execute(
            update(WorkflowExecution)
            .where(col(WorkflowExecution.id) == id)
            .values(status=WorkflowStatus.PENDING, checked_at=None)
        )

    await dispatcher.start_pending()

    assert (await background.execution(work, id)).status is WorkflowStatus.RUNNING
    assert await run_id_of(client, WorkflowKind.CLEAN_UP, id) == run_id


async def test_what_runs_is_left_alone(
    work: BackgroundWork, dispatcher: Dispatcher, client: Client
) -> None:
    id = await add_clean_up(work)
    await dispatcher.start_pending()
    run_id = await run_id_of(client, WorkflowKind.CLEAN_UP, id)

    await look_again(work, dispatcher)

    assert (await background.execution(work, id)).status is WorkflowStatus.RUNNING
    assert await run_id_of(client, WorkflowKind.CLEAN_UP, id) == run_id


async def test_what_temporal_lost_is_started_again(
    work: BackgroundWork, dispatcher: Dispatcher, client: Client
) -> None:
    id = await add_clean_up(work, WorkflowStatus.RUNNING)
    with pytest.raises(RPCError):
        await status_of(client, WorkflowKind.CLEAN_UP, id)

    await look_again(work, dispatcher)

    status = await status_of(client, WorkflowKind.CLEAN_UP, id)
    assert status is WorkflowExecutionStatus.RUNNING


async def test_what_a_restored_database_forgot_is_done_again(
    work: BackgroundWork, dispatcher: Dispatcher, client: Client
) -> None:
    id = await add_clean_up(work)
    await dispatcher.start_pending()
    async with worker(client, work, dispatcher.task_queue):
        await handle_of(client, WorkflowKind.CLEAN_UP, id).result()
    run_id = await run_id_of(client, WorkflowKind.CLEAN_UP, id)
    async with work.database.lobby() as lobby:
        # As the backup has it.
        await lobby.execute(
            update(WorkflowExecution)
            .where(col(WorkflowExecution.id) == id)
            .values(status=WorkflowStatus.RUNNING, finished_at=None)
        )

    await look_again(work, dispatcher)

    assert await run_id_of(client, WorkflowKind.CLEAN_UP, id) != run_id
    status = await status_of(client, WorkflowKind.CLEAN_UP, id)
    assert status is WorkflowExecutionStatus.RUNNING


async def test_a_terminated_provisioning_leaves_a_failed_tenant_without_a_schema(
    work: BackgroundWork, dispatcher: Dispatcher, client: Client
) -> None:
    requested = await background.request_tenant(work)
    await work.provisioning.create_schema(requested.execution_id)
    await dispatcher.start_pending()
    handle = handle_of(client, WorkflowKind.PROVISION_TENANT, requested.execution_id)
    await handle.terminate()

    await look_again(work, dispatcher)

    tenant = await background.tenant(work, requested.tenant_id)
    assert tenant.status is TenantStatus.FAILED
    assert not await background.role_exists(work, tenant.role_name)
    execution = await background.execution(work, requested.execution_id)
    assert execution.status is WorkflowStatus.FAILED
    assert execution.error == "The workflow was terminated."


async def test_a_terminated_deletion_is_requested_anew(
    work: BackgroundWork, dispatcher: Dispatcher, client: Client, separate: Settings
) -> None:
    ready = await background.ready_tenant(work)
    async with work.database.lobby() as lobby:
        await background.lifecycle(lobby, separate).delete(ready.tenant_id)
    deletion = (await background.executions_of(work, ready.tenant_id))[-1]
    await dispatcher.start_pending()
    await handle_of(client, WorkflowKind.DELETE_TENANT, deletion.id).terminate()

    await look_again(work, dispatcher)

    *_, failed, next_one = await background.executions_of(work, ready.tenant_id)
    assert (failed.id, failed.status) == (deletion.id, WorkflowStatus.FAILED)
    assert (next_one.kind, next_one.status) == (WorkflowKind.DELETE_TENANT, WorkflowStatus.PENDING)


async def test_a_kind_that_only_a_newer_release_knows_stops_no_other(
    work: BackgroundWork, dispatcher: Dispatcher
) -> None:
    async with work.provisioning.owner.ddl_engine.begin() as connection:
        await connection.execute(
            text(f"{ALTER} DROP CONSTRAINT IF EXISTS ck_workflow_executions_kind")
        )
        await connection.execute(text(OF_TOMORROW))
    id = await add_clean_up(work)

    await dispatcher.start_pending()
    await look_again(work, dispatcher)

    assert (await background.execution(work, id)).status is WorkflowStatus.RUNNING
    # Other tests read every row.
    async with work.database.lobby() as lobby:
        await lobby.execute(
            text("DELETE FROM public.workflow_executions WHERE kind = 'of_tomorrow'")
        )
