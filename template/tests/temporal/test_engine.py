"""The engine as a whole: from a row to its outcome, through outages of Temporal and PostgreSQL."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlmodel import col
from structlog.testing import capture_logs
from temporalio.client import Client

from app.core.identifiers import utcnow
from app.core.settings import Settings
from app.models.public.tenants import TenantStatus
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.services.background_work import BackgroundWork
from app.temporal.schedules import Schedules
from tests import background, outcomes
from tests.background import Requested
from tests.engine_temporal import running
from tests.gate import Gate

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_waits")]


async def ready(work: BackgroundWork, requested: Requested) -> None:
    """Wait until a tenant is ready."""
    await background.eventually(lambda: background.have_ended(work, requested.execution_id))
    await outcomes.assert_provisioned(work, requested)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that asks often whether an outage is over."""
    monkeypatch.setattr("app.services.loops._MAX_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr("app.temporal.engine._RECONNECT_SECONDS", 0.1)


@pytest.mark.usefixtures("quick")
async def test_temporal_comes_back_and_needs_nobody(work: BackgroundWork, alone: Settings) -> None:
    outages = 0

    async def is_noticed() -> bool:
        events = [(entry["event"], entry.get("loop")) for entry in log]
        return events.count(("loop_interrupted", "start_pending")) == outages

    host, _, port = alone.temporal.address.partition(":")
    async with Gate(host, int(port)) as gate:
        await gate.close()
        behind = alone.temporal.model_copy(update={"address": f"127.0.0.1:{gate.port}"})
        engine_behind = running(work, alone.model_copy(update={"temporal": behind}))
        with capture_logs() as log:
            async with engine_behind as engine:
                first = await background.request_tenant(work)
                outages += 1
                await background.eventually(is_noticed)
                assert not engine.is_ready()
                assert engine.is_alive()
                await gate.open()
                await ready(work, first)

                await gate.close()
                second = await background.request_tenant(work)
                outages += 1
                await background.eventually(is_noticed)
                tenant = await background.tenant(work, second.tenant_id)
                assert tenant.status is not TenantStatus.READY
                await gate.open()
                await ready(work, second)


async def test_a_schedule_asks_for_the_clean_up(
    work: BackgroundWork, client: Client, alone: Settings
) -> None:
    temporal = alone.temporal
    for _ in range(2):
        # Two workers, one after the other.
        await Schedules(client, temporal.task_queue).ensure()
    handle = client.get_schedule_handle(f"{temporal.task_queue}-request_clean_up")
    assert (await handle.describe()).schedule.spec.intervals[0].every == timedelta(hours=1)

    began = utcnow()
    async with running(work, alone):
        await handle.trigger()
        await background.eventually(lambda: _has_cleaned_up(work, began))
    await handle.delete()


async def _has_cleaned_up(work: BackgroundWork, since: datetime) -> bool:
    async with work.database.lobby() as lobby:
        completed = await lobby.scalars(
            select(WorkflowExecution).where(
                col(WorkflowExecution.kind) == WorkflowKind.CLEAN_UP,
                col(WorkflowExecution.status) == WorkflowStatus.COMPLETED,
                col(WorkflowExecution.created_at) >= since,
            )
        )
    return len(completed) == 1
