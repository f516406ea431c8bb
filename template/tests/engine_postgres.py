"""The queue in PostgreSQL as the tested engine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from app.core.settings import Settings
from app.services.background_work import BackgroundWork
from app.services.workflow_attempts import RETRIES, Retries, WorkflowAttempts
from app.work_queue.engine import Engine
from tests import background
from tests.engines import TestedEngine
from tests.patience import PATIENCE

_SHORTLY: Final = Retries(timedelta(seconds=0.05), timedelta(seconds=0.5), attempts=40)


def _settings() -> dict[str, Any]:
    return {}


def _alone(settings: Settings) -> Settings:
    # Who is late is not dead.
    changes = {"heartbeat_timeout": PATIENCE, "poll_interval": timedelta(seconds=0.2)}
    return settings.model_copy(
        update={
            "queue": settings.queue.model_copy(update=changes),
            "worker": settings.worker.model_copy(update={"health_port": 0}),
        }
    )


@asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[Engine]:
    """Run an engine until the block ends."""
    stop = asyncio.Event()
    task = asyncio.create_task(engine.run(stop))
    yield engine
    stop.set()
    await task


@asynccontextmanager
async def _running(work: BackgroundWork, settings: Settings) -> AsyncIterator[None]:
    attempts = WorkflowAttempts(work, dict.fromkeys(RETRIES, _SHORTLY))
    async with running(Engine(work, settings, attempts)):
        yield


async def _make_due(work: BackgroundWork) -> None:
    await background.run_as_owner(
        work, "UPDATE queue.pgqueuer SET heartbeat = 'yesterday', execute_after = 'yesterday'"
    )


ENGINE: Final = TestedEngine(("worker",), _settings, _alone, _running, _make_due)
