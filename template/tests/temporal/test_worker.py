"""`app worker` as a process: its health endpoint, its end by SIGTERM, and what is left after kill -9."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from temporalio.client import Client

from app.core.db.owner import connection_of
from app.core.settings import LoggingSettings, Settings, TemporalSettings, WorkerSettings
from app.dev.network import reserve_port
from app.models.public.tenants import TenantStatus
from app.services.background_work import BackgroundWork
from tests import background
from tests.environments import environment_of
from tests.temporal.running import worker

pytestmark = pytest.mark.usefixtures("nothing_waits")

SOURCES = Path(__file__).parents[2] / "src"


def environment(settings: Settings, temporal: TemporalSettings, port: int) -> Mapping[str, str]:
    """Return what the process reads its settings from."""
    own = settings.model_copy(
        update={
            "temporal": temporal,
            "worker": WorkerSettings(health_port=port),
            "logging": LoggingSettings(),
        }
    )
    return {**os.environ, "PYTHONPATH": str(SOURCES), **environment_of(own)}


class Undone(Exception):
    """Takes a transaction back."""


@asynccontextmanager
async def process(environment: Mapping[str, str]) -> AsyncIterator[Process]:
    """Start `app worker`; what is still running at the end is killed."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", "worker", env=environment, stdout=PIPE, stderr=STDOUT
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def test_a_worker_says_how_it_is_works_and_ends_when_asked(
    separate: Settings, work: BackgroundWork, temporal: TemporalSettings
) -> None:
    port = reserve_port()
    async with (
        process(environment(separate, temporal, port)) as started,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as health,
    ):
        await background.eventually(lambda: answers(health, "/health/ready"))
        assert await answers(health, "/health/live")
        requested = await background.request_tenant(work)

        async def is_ready() -> bool:
            tenant = await background.tenant(work, requested.tenant_id)
            return tenant.status is TenantStatus.READY

        await background.eventually(is_ready)
        started.send_signal(signal.SIGTERM)
        output, _ = await asyncio.wait_for(started.communicate(), 20)

    assert started.returncode == 0, output.decode()
    assert b'"event":"worker_stopped"' in output
    assert b"Traceback" not in output


async def test_what_a_killed_worker_leaves_another_finishes(
    separate: Settings, work: BackgroundWork, temporal: TemporalSettings, client: Client
) -> None:
    requested = await background.request_tenant(work)
    await work.provisioning.create_schema(requested.execution_id)
    schema = (await background.tenant(work, requested.tenant_id)).schema_name
    with suppress(Undone):
        async with (
            process(environment(separate, temporal, reserve_port())) as started,
            work.owner.lobby() as session,
        ):
            # The migration waits for this table, so the worker is killed in the middle of it.
            connection = await connection_of(session)
            await connection.execute(text(f'CREATE TABLE "{schema}".projects ()'))
            await background.eventually(lambda: is_waiting(work))
            started.kill()
            await started.wait()
            raise Undone

    async with worker(client, work, temporal.task_queue):
        workflow_id = f"provision_tenant-{requested.execution_id}"
        await client.get_workflow_handle(workflow_id).result()

    tenant = await background.tenant(work, requested.tenant_id)
    assert tenant.status is TenantStatus.READY
    assert await background.tables(work, tenant.schema_name) == {"projects", "alembic_version"}


async def answers(client: httpx.AsyncClient, path: str) -> bool:
    """Tell whether a GET is answered with 200."""
    try:
        return (await client.get(path)).status_code == 200
    except httpx.TransportError:
        return False


async def is_waiting(work: BackgroundWork) -> bool:
    """Tell whether somebody waits for what another transaction holds."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with work.owner.engine.connect() as connection:
        return bool(await connection.scalar(query))
