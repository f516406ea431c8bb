"""Fixtures of the tests with Temporal: a database of their own, and the server that skips time."""

import asyncio
import shutil
import sysconfig
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from app.core.logging import configure_logging
from app.core.settings import Settings
from app.core.settings_temporal import TemporalSettings
from app.services.background_work import BackgroundWork
from tests import background
from tests.engines import TestedEngine
from tests.patience import PATIENCE_SECONDS


@pytest.fixture(scope="package")
async def separate(settings: Settings, admin_url: str) -> AsyncIterator[Settings]:
    """Settings of a service whose requests no other test sees."""
    async with background.separate(settings, admin_url) as separate:
        yield separate


@pytest.fixture(scope="package")
async def work(separate: Settings) -> AsyncIterator[BackgroundWork]:
    """What a worker does in that database, with its log."""
    configure_logging(separate.logging)
    async with background.working(separate) as work:
        yield work


@pytest.fixture(scope="package")
async def time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A server on which a timer of 30 days takes no time."""
    program = shutil.which("temporal-test-server", path=sysconfig.get_path("scripts"))
    assert program, "install the `dev` dependency group"
    async with await _started(program) as environment:
        yield environment


async def _started(program: str) -> WorkflowEnvironment:
    # The library waits for five seconds, on a port that it has found free a moment before.
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(RuntimeError):
                return await WorkflowEnvironment.start_time_skipping(
                    test_server_existing_path=program
                )


@pytest.fixture
async def nothing_waits(work: BackgroundWork) -> None:
    """End what the tests before left open."""
    await background.end_all(work)


@pytest.fixture
def alone(separate: Settings, engine: TestedEngine) -> Settings:
    """Settings with a task queue of this test's own."""
    return engine.alone(separate)


@pytest.fixture
def temporal(alone: Settings) -> TemporalSettings:
    """The development server, with that task queue."""
    return alone.temporal


@pytest.fixture
async def client(temporal: TemporalSettings) -> Client:
    """What an operator looks at the development server with."""
    return await Client.connect(temporal.address)
