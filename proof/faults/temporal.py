"""Faults of Temporal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from app.dev.servers.temporal import Temporal
from faults.fault import Fault, Scene


@asynccontextmanager
async def _stopped(scene: Scene) -> AsyncIterator[None]:
    await scene.stage.stop(Temporal.name)
    yield
    await scene.stage.start(Temporal.name)


FAULTS: Final = (Fault("Temporal stopped", _stopped, 30, refuses=False),)
