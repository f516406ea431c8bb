"""Fixtures of the tests with background work in the API process: a database of their own."""

from collections.abc import AsyncIterator

import pytest

from app.core.logging import configure_logging
from app.core.settings import Settings
from app.services.background_work import BackgroundWork
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
    """What such a service does in the background."""
    configure_logging(separate.logging)
    async with background.working(separate) as work:
        yield work


@pytest.fixture
async def nothing_waits(work: BackgroundWork) -> None:
    """End what the tests before left open."""
    await background.end_all(work)
