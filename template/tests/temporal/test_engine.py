"""The engine as a whole: from a row to its outcome, through outages of Temporal and PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlmodel import col
from temporalio.client import Client

from app.core.identifiers import utcnow
from app.core.settings import Settings, TemporalSettings
from app.models.public.tenants import TenantStatus
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.models.tenant.projects import Project
from app.services.background_work import BackgroundWork
from app.temporal.engine import Engine
from app.temporal.schedules import Schedules
from tests import background
from tests.background import Requested
from tests.gate import Gate

pytestmark = pytest.mark.usefixtures("nothing_waits")


@asynccontextmanager
async def running(work: BackgroundWork, settings: TemporalSettings) -> AsyncIterator[Engine]:
    """Run an engine until the block ends."""
    engine, stop = Engine(work, settings), asyncio.Event()
    task = asyncio.create_task(engine.run(stop, grace=timedelta(seconds=1)))
    yield engine
    stop.set()
    await task


async def ready(work: BackgroundWork, *requests: Requested) -> None:
    """Wait until every tenant is ready."""

    async def all_ready() -> bool:
        tenants = [await background.tenant(work, requested.tenant_id) for requested in requests]
        return all(tenant.status is TenantStatus.READY for tenant in tenants)

    await background.eventually(all_ready)


async def test_twenty_tenants_at_once(work: BackgroundWork, temporal: TemporalSettings) -> None:
    requests = [await background.request_tenant(work) for _ in range(20)]

    async with running(work, temporal):
        await ready(work, *requests)

    heads = await background.heads(work, "tenant_acme")
    for requested in requests:
        schema = (await background.tenant(work, requested.tenant_id)).schema_name
        assert await background.heads(work, schema) == heads
        assert await background.tables(work, schema) == {"projects", "alembic_version"}
        async with work.database.tenant(requested.tenant_id) as session:
            assert await session.scalars(select(Project)) == []


async def test_two_engines_share_the_work(work: BackgroundWork, temporal: TemporalSettings) -> None:
    requests = [await background.request_tenant(work) for _ in range(4)]

    async with running(work, temporal), running(work, temporal):
        await ready(work, *requests)

    for requested in requests:
        actions = await background.actions(work, requested.tenant_id)
        assert actions == ["tenant.created", "tenant.provisioned"]


async def test_temporal_comes_back_and_needs_nobody(
    work: BackgroundWork, temporal: TemporalSettings
) -> None:
    host, _, port = temporal.address.partition(":")
    async with Gate(host, int(port)) as gate:
        await gate.close()
        address = f"127.0.0.1:{gate.port}"
        async with running(work, temporal.model_copy(update={"address": address})) as engine:
            first = await background.request_tenant(work)
            await asyncio.sleep(0.5)
            assert not engine.is_ready()
            assert engine.is_alive()
            await gate.open()
            await ready(work, first)

            await gate.close()
            second = await background.request_tenant(work)
            await asyncio.sleep(0.5)
            assert (
                await background.tenant(work, second.tenant_id)
            ).status is not TenantStatus.READY
            await gate.open()
            returned = time.monotonic()
            await ready(work, second)

    assert time.monotonic() - returned < 30


async def test_postgres_comes_back_and_needs_nobody(
    work: BackgroundWork, separate: Settings, temporal: TemporalSettings
) -> None:
    async with (
        background.behind_a_gate(separate) as (gate, remote),
        running(remote, temporal) as engine,
    ):
        await background.eventually(lambda: _is_ready(engine))
        await gate.close()
        requested = await background.request_tenant(work)
        await asyncio.sleep(0.5)
        await gate.open()
        await ready(work, requested)


async def test_a_schedule_asks_for_the_clean_up(
    work: BackgroundWork, client: Client, temporal: TemporalSettings
) -> None:
    for _ in range(2):
        # Two workers, one after the other.
        await Schedules(client, temporal.task_queue).ensure()
    handle = client.get_schedule_handle(f"{temporal.task_queue}-request_clean_up")
    assert (await handle.describe()).schedule.spec.intervals[0].every == timedelta(hours=1)

    async with running(work, temporal):
        await handle.trigger()
        await background.eventually(lambda: _has_cleaned_up(work))
    await handle.delete()


async def _is_ready(engine: Engine) -> bool:
    return engine.is_ready()


async def _has_cleaned_up(work: BackgroundWork) -> bool:
    async with work.database.lobby() as lobby:
        completed = await lobby.scalars(
            select(WorkflowExecution).where(
                col(WorkflowExecution.kind) == WorkflowKind.CLEAN_UP,
                col(WorkflowExecution.status) == WorkflowStatus.COMPLETED,
                col(WorkflowExecution.created_at) > utcnow() - timedelta(seconds=30),
            )
        )
    return len(completed) == 1
