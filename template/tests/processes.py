"""Processes of the service, as an operator starts and kills them."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

from app.core.settings import Settings
from tests.environments import environment_of

SOURCES: Final = Path(__file__).parents[1] / "src"


@asynccontextmanager
async def process(settings: Settings, *command: str, **variables: str) -> AsyncIterator[Process]:
    """Start a command of the service; what is still running at the end is killed."""
    logged = {"LOGGING__FORMAT": "json", "LOGGING__LEVEL": "info"}
    own = {"PYTHONPATH": str(SOURCES), **environment_of(settings), **logged, **variables}
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", *command),
        env={**os.environ, **own},
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def answers(client: httpx.AsyncClient, path: str) -> bool:
    """Tell whether a GET is answered with 200."""
    try:
        return (await client.get(path)).status_code == 200
    except httpx.TransportError:
        return False
