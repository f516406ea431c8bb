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

# A process that writes a file gets an error, as root too; nor is there a folder for what it wants to keep.
_READ_ONLY: Final = ("/bin/sh", "-c", 'ulimit -f 0 && cd / && exec "$0" "$@"')
_NOWHERE: Final = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), "/nonexistent")


@asynccontextmanager
async def process(settings: Settings, *command: str, **variables: str) -> AsyncIterator[Process]:
    """Start a command of the service where nothing can be written; what is still running at the end is killed."""
    logged = {"LOGGING__FORMAT": "json", "LOGGING__LEVEL": "info"}
    python = {"PYTHONPATH": str(SOURCES), "PYTHONDONTWRITEBYTECODE": "1"}
    own = {**python, **environment_of(settings), **logged, **variables}
    started = await asyncio.create_subprocess_exec(
        *(*_READ_ONLY, sys.executable, "-m", "app", *command),
        env={**os.environ, **_NOWHERE, **own},
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
