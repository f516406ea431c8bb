"""Faults of Valkey, which counts the rate limits."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from app.dev.servers.valkey import Valkey
from faults.fault import Fault, Scene


@asynccontextmanager
async def _stopped(scene: Scene) -> AsyncIterator[None]:
    await scene.stage.stop(Valkey.name)
    yield
    await scene.stage.start(Valkey.name)


@asynccontextmanager
async def _hung(scene: Scene) -> AsyncIterator[None]:
    scene.stage.signal(Valkey.name, signal.SIGSTOP)
    yield
    scene.stage.signal(Valkey.name, signal.SIGCONT)


FAULTS: Final = (
    Fault("Valkey stopped", _stopped, 10, refuses=False),
    Fault("Valkey hung", _hung, 10, answers_within=4, lasts=6, refuses=False),
)
