"""Fixtures of the tests with the queue: a database of their own."""

from collections.abc import AsyncIterator

import pytest

from app.core.logging import configure_logging
from app.core.settings import Settings
from app.services.background_work import BackgroundWork
from app.work_queue.queries import ObservedDriver, connected
from tests import background
from tests.engines import TestedEngine


@pytest.fixture(scope="package")
async def separate(
    settings: Settings, admin_url: str, engine: TestedEngine
) -> AsyncIterator[Settings]:
    """Settings of a service whose requests no other test sees."""
    async with background.separate(settings, admin_url) as separate:
        yield engine.alone(separate)


@pytest.fixture(scope="package")
async def work(separate: Settings) -> AsyncIterator[BackgroundWork]:
    """What a worker does in that database, with its log."""
    configure_logging(separate.logging)
    async with background.working(separate) as work:
        yield work


@pytest.fixture
async def driver(work: BackgroundWork) -> AsyncIterator[ObservedDriver]:
    """The queue as the worker reads it; nothing waits there."""
    await background.end_all(work)
    async with connected(work.owner) as driver:
        await driver.execute("TRUNCATE queue.pgqueuer, queue.pgqueuer_log")
        yield driver
