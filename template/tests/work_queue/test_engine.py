"""The worker's sessions with PostgreSQL: what their end stops, and how it begins again."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from app.core.settings import Settings
from app.services.background_work import BackgroundWork
from app.services.workflow_attempts import Retries
from app.work_queue.engine import Engine
from app.work_queue.queries import ObservedDriver
from tests import background, outcomes
from tests.engine_postgres import running

pytestmark = pytest.mark.thorough

OUTAGE_OF_HOURS = 2000

END_OTHER_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND query LIKE '%queue.pgqueuer%' AND pid <> pg_backend_pid()
"""


async def test_a_lost_session_holds_up_nothing_but_what_is_running(
    work: BackgroundWork,
    separate: Settings,
    driver: ObservedDriver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine, stop = Engine(work, separate), asyncio.Event()
    held = await background.request_tenant(work)
    async with background.held_up(work, held):
        working = asyncio.create_task(engine.run(stop))
        await background.eventually(lambda: background.somebody_waits(work))
        assert await driver.fetch(END_OTHER_SESSIONS)
        clean_up_id, _ = await background.request_clean_up(work)
        await background.eventually(lambda: background.have_ended(work, clean_up_id))
        assert not await background.have_ended(work, held.execution_id)
        stop.set()
    await working
    gc.collect()

    await outcomes.assert_provisioned(work, held)
    theirs = [record for record in caplog.records if record.name in {"asyncio", "pgqueuer"}]
    assert [record.getMessage() for record in theirs] == []


async def test_a_database_that_was_never_migrated_is_asked_ever_less_often(
    settings: Settings, admin_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with background.empty(settings, admin_url) as empty, background.working(empty) as work:
        report = await report_of_four_failures(work, empty, monkeypatch)

    assert report.endswith("run `app migrate` first.")


async def test_a_database_that_takes_no_job_is_asked_ever_less_often(
    work: BackgroundWork,
    separate: Settings,
    driver: ObservedDriver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with like_a_standby(driver):
        report = await report_of_four_failures(work, separate, monkeypatch)

    assert report.startswith("ReadOnlySQLTransactionError")


@asynccontextmanager
async def like_a_standby(driver: ObservedDriver) -> AsyncIterator[None]:
    """Let sessions that begin while the block runs only read."""
    [database] = await driver.fetch("SELECT quote_ident(current_database()) AS name")
    await driver.execute(
        f"ALTER DATABASE {database['name']} SET default_transaction_read_only = on"
    )
    try:
        yield
    finally:
        await driver.execute(
            f"ALTER DATABASE {database['name']} RESET default_transaction_read_only"
        )


async def report_of_four_failures(
    work: BackgroundWork, settings: Settings, patch: pytest.MonkeyPatch
) -> str:
    """Return what a worker says, once, that cannot work; check that it takes its time."""
    # A session that lasts longer than the longest pause would end the outage, and be reported again.
    quicker = Retries(timedelta(seconds=0.02), timedelta(hours=1), attempts=0)
    patch.setattr("app.work_queue.engine._PAUSES", quicker)
    began = time.monotonic()
    with capture_logs() as entries:
        async with running(Engine(work, settings)) as engine:
            await background.eventually(lambda: _has_failed(engine, 4))
    assert time.monotonic() - began > 0.02 + 0.04 + 0.08
    [report] = [entry["error"] for entry in entries if entry["event"] == "worker_interrupted"]
    return str(report)


async def test_an_outage_of_hours_is_waited_for(work: BackgroundWork, separate: Settings) -> None:
    async with background.behind_a_gate(separate) as (gate, remote):
        await gate.close()
        engine = Engine(remote, separate)
        engine._failures = OUTAGE_OF_HOURS
        async with running(engine):
            await background.eventually(lambda: _has_failed(engine, OUTAGE_OF_HOURS + 1))


async def test_a_worker_that_waits_for_postgres_to_begin_is_alive(
    work: BackgroundWork, separate: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.work_queue.engine._ALIVE_SECONDS", 0.0)
    async with background.behind_a_gate(separate) as (gate, remote):
        await gate.close()
        engine = Engine(remote, separate)
        assert engine.is_alive()
        async with running(engine):
            await background.eventually(lambda: _has_failed(engine, 1))
            assert not engine.is_alive()


async def _has_failed(engine: Engine, times: int) -> bool:
    return engine._failures >= times
