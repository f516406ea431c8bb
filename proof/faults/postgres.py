"""Faults of PostgreSQL."""

import asyncio
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg

from app.core.db import tenancy
from app.dev.servers.postgres import Postgres
from bench import usage
from faults.clients import ask
from faults.fault import Fault, Scene
from faults.ledger import Ledger
from tests.databases import STANDING

_CROWD: Final = 90
"""Requests at once: six times what the pool has connections."""

_FULL_BYTES: Final = 16 * 1024 * 1024
"""The size of a file of the write-ahead log; without one, PostgreSQL itself ends."""

_FILL: Final = """
INSERT INTO public.audit_logs (id, occurred_at, action, entity_type, entity_id, after)
SELECT gen_random_uuid(), now(), 'filler', 'filler', '', to_jsonb(repeat('x', $1))
FROM generate_series(1, $2)
"""


@asynccontextmanager
async def _restarted(scene: Scene) -> AsyncIterator[None]:
    await scene.stage.stop(Postgres.name)
    yield
    await scene.stage.start(Postgres.name)


@asynccontextmanager
async def _killed(scene: Scene) -> AsyncIterator[None]:
    await scene.stage.stop(Postgres.name, signal.SIGKILL)
    yield
    await scene.stage.start(Postgres.name)


@asynccontextmanager
async def _disk_full(scene: Scene) -> AsyncIterator[None]:
    connection = await asyncpg.connect(scene.stage.admin_url)
    await connection.execute(_FILL, 1500, 9000)
    _limit_files(scene, _FULL_BYTES)
    try:
        for length in (500, 1):
            with suppress(asyncpg.PostgresError):
                while True:
                    await connection.execute(_FILL, length, 100)
        yield
    finally:
        _limit_files(scene, resource.RLIM_INFINITY)
        await connection.execute("DELETE FROM public.audit_logs WHERE action = 'filler'")
        await connection.close()


def _limit_files(scene: Scene, size_bytes: int) -> None:
    for pid in usage.family(scene.stage.running[Postgres.name].pid):
        with suppress(ProcessLookupError):
            _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, most))


@asynccontextmanager
async def _locked(scene: Scene) -> AsyncIterator[None]:
    schema = tenancy.schema_name(STANDING[0])
    connection = await asyncpg.connect(scene.stage.admin_url)
    async with connection.transaction():
        await connection.execute(f'LOCK TABLE "{schema}".projects IN ACCESS EXCLUSIVE MODE')
        yield
    await connection.close()


@asynccontextmanager
async def _exhausted(scene: Scene) -> AsyncIterator[None]:
    slow = scene.cast.members[0]
    assert slow.tenant == STANDING[0]
    async with _locked(scene):
        crowd = [asyncio.create_task(_insist(scene, scene.ledger)) for _ in range(_CROWD)]
        yield
        for each in crowd:
            each.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)


async def _insist(scene: Scene, ledger: Ledger) -> None:
    while True:
        await ask(scene.cast.members[0], ledger, "GET", "/projects")


FAULTS: Final = (
    Fault("PostgreSQL restarted", _restarted, 30),
    Fault("PostgreSQL killed", _killed, 30),
    Fault("Disk full", _disk_full, 30),
    Fault("Statement timed out", _locked, 10, lasts=6),
    Fault("Pool exhausted", _exhausted, 10, answers_within=20, lasts=9),
)
