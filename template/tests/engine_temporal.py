"""Temporal as the tested engine."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from app.core.settings import Settings
from app.services.background_work import BackgroundWork
from app.temporal.engine import Engine
from tests.engines import TestedEngine
from tests.servers import embedded, temporal


def _settings() -> dict[str, Any]:
    return {"temporal": {"address": embedded.address(temporal.VARIABLE)}}


def _alone(settings: Settings) -> Settings:
    changes = {
        "task_queue": f"test-{secrets.token_hex(6)}",
        "poll_interval": timedelta(milliseconds=200),
    }
    return settings.model_copy(
        update={
            "temporal": settings.temporal.model_copy(update=changes),
            "worker": settings.worker.model_copy(
                update={"drain_timeout": timedelta(seconds=1), "health_port": 0}
            ),
        }
    )


@asynccontextmanager
async def running(work: BackgroundWork, settings: Settings) -> AsyncIterator[Engine]:
    """Run an engine until the block ends."""
    engine, stop = Engine(work, settings), asyncio.Event()
    task = asyncio.create_task(engine.run(stop))
    yield engine
    stop.set()
    await task


@asynccontextmanager
async def _running(work: BackgroundWork, settings: Settings) -> AsyncIterator[None]:
    async with running(work, settings):
        yield


async def _make_due(_work: BackgroundWork) -> None:
    """Its server keeps the time; tests/temporal has one that skips it."""


ENGINE: Final = TestedEngine(("worker",), _settings, _alone, _running, _make_due)
