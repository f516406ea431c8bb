"""Faults of the service's own processes: `kill -9` where it hurts most, and a new process."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import asyncpg
from pydantic import SecretStr

from app.core.db import tenancy
from faults.clients import Founding
from faults.fault import Fault, Scene
from faults.ledger import Founded
from faults.stage import API
from faults.waiting import PATIENCE_SECONDS, happens
from faults.wires import CommitWire
from faults.working import ANSWERS_TOO, TITLE, WORKING
from tests.wire import through

_ATTEMPTS: Final = 50

_HOLD_UP: Final = """
SELECT status = 'provisioning' FROM public.tenants WHERE slug = $1 FOR UPDATE
"""
_BEHIND: Final = """
SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))
"""


@asynccontextmanager
async def _killed_at_work(scene: Scene) -> AsyncIterator[None]:
    founding = Founding(scene.cast.founder, scene.ledger)
    url = scene.stage.admin_url
    provisioning, deletion = await asyncpg.connect(url), await asyncpg.connect(url)
    doomed = await founding.found()
    await founding.wait_until_ready(doomed)
    async with deletion.transaction():
        await _hold_up_deletion(deletion, doomed)
        await founding.delete(doomed)
        await _until_somebody_waits(deletion)
        await _hold_up_provisioning(provisioning, founding)
        await _until_somebody_waits(provisioning)
        await scene.stage.stop(WORKING, signal.SIGKILL)
        await provisioning.execute("ROLLBACK")
    for connection in (provisioning, deletion):
        await connection.close()
    yield
    await scene.stage.start(WORKING)


async def _hold_up_deletion(connection: asyncpg.Connection, tenant: Founded) -> None:
    schema = tenancy.schema_name(tenant.slug)
    await connection.execute(f'LOCK TABLE "{schema}".projects IN ACCESS SHARE MODE')


async def _hold_up_provisioning(connection: asyncpg.Connection, founding: Founding) -> None:
    for _ in range(_ATTEMPTS):
        tenant = await founding.found()
        schema = tenancy.schema_name(tenant.slug)
        await happens(partial(_exists, connection, schema), PATIENCE_SECONDS)
        await connection.execute("BEGIN")
        # Each step locks the tenant; between two of them it is ours.
        if await connection.fetchval(_HOLD_UP, tenant.slug):
            return
        await connection.execute("ROLLBACK")
    raise RuntimeError("each tenant was ready before it could be held up")


async def _exists(connection: asyncpg.Connection, schema: str) -> bool:
    return bool(await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", schema))


async def _until_somebody_waits(connection: asyncpg.Connection) -> None:
    async def somebody_waits() -> bool:
        return bool(await connection.fetchval(_BEHIND))

    if not await happens(somebody_waits, PATIENCE_SECONDS):
        raise RuntimeError("nobody works on what is held up")


@asynccontextmanager
async def _behind_a_wire(scene: Scene) -> AsyncIterator[None]:
    stage = scene.stage
    url = stage.environment["DATABASE__URL"]
    async with CommitWire.to(url) as wire:
        await stage.stop(API)
        moved = through(wire, SecretStr(url)).get_secret_value()
        await stage.start(API, DATABASE__URL=moved)
        scene.wires.append(wire)
        yield
        scene.wires.clear()


@asynccontextmanager
async def _killed_before_the_answer(scene: Scene) -> AsyncIterator[None]:
    [wire] = scene.wires
    wire.victim = scene.stage.running[API].pid
    async with asyncio.timeout(PATIENCE_SECONDS):
        await wire.killed.wait()
    await scene.stage.stop(API, signal.SIGKILL)
    yield
    await scene.stage.start(API)


FAULTS: Final = (
    Fault(
        f"{TITLE} killed while it provisions and deletes",
        _killed_at_work,
        work_within=30,
        hangs_up=ANSWERS_TOO,
        refuses=False,
    ),
    Fault(
        "API killed between commit and answer",
        _killed_before_the_answer,
        work_within=30,
        hangs_up=True,
        refuses=False,
        founding=False,
        before=_behind_a_wire,
    ),
)
