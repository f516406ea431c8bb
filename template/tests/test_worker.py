"""`app worker` as an operator meets it: what it refuses, its health endpoint, and its end by SIGTERM."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.core.settings import Settings
from app.dev.network import reserve_port
from tests import background, outcomes
from tests.engines import TestedEngine
from tests.environments import environment_of
from tests.patience import PATIENCE_SECONDS
from tests.processes import answers, process
from tests.shell import Shell

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
async def separate(
    settings: Settings, admin_url: str, engine: TestedEngine
) -> AsyncIterator[Settings]:
    async with background.separate(settings, admin_url) as separate:
        yield engine.alone(separate)


@pytest.fixture
def shell(settings: Settings, tmp_path: Path) -> Shell:
    return Shell(settings, environment_of(settings), tmp_path)


def test_a_missing_setting_gets_a_sentence(shell: Shell) -> None:
    outcome = shell.run("worker", AUTH__KEYS=None)

    assert outcome.code == 2
    assert outcome.err.startswith("AUTH__KEYS is not set")


def test_the_ddl_role_is_asked_for(shell: Shell) -> None:
    outcome = shell.run("worker", DATABASE__OWNER_URL=None)

    assert outcome.code == 2
    assert outcome.err.startswith("DATABASE__OWNER_URL is not set")


def test_a_taken_port_gets_a_sentence(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = shell.run("worker", WORKER__HEALTH_PORT=str(port))

    assert outcome.code == 2
    assert outcome.err.startswith(f"WORKER__HEALTH_PORT: cannot listen on 127.0.0.1:{port} (")


async def test_a_worker_says_how_it_is_works_and_ends_when_asked(separate: Settings) -> None:
    port = reserve_port()
    async with (
        process(separate, "worker", WORKER__HEALTH_PORT=str(port)) as started,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as health,
        background.working(separate) as work,
    ):
        await background.eventually(lambda: answers(health, "/health/ready"))
        assert await answers(health, "/health/live")
        requested = await background.request_tenant(work)
        await background.eventually(lambda: background.have_ended(work, requested.execution_id))
        started.send_signal(signal.SIGTERM)
        output, _ = await asyncio.wait_for(started.communicate(), PATIENCE_SECONDS)
        await outcomes.assert_provisioned(work, requested)

    assert started.returncode == 0, output.decode()
    assert b'"event":"worker_stopped"' in output
    assert b"Traceback" not in output
