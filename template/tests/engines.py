"""What the tests have to know of the engine that carries out background work."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from app.core.settings import Settings
from app.services.background_work import BackgroundWork


@dataclass(frozen=True, slots=True)
class TestedEngine:
    """One of these for each engine, so that the same is expected of all."""

    __test__ = False

    command: tuple[str, ...]
    """Starts the process that does background work, on any free port."""
    settings: Callable[[], dict[str, Any]]
    """What it adds to the settings of every test; nothing is carried out unless a test asks for it."""
    alone: Callable[[Settings], Settings]
    """Changes settings so that an engine is quick, and meets no other test's."""
    running: Callable[[BackgroundWork, Settings], AbstractAsyncContextManager[None]]
    """Runs an engine in this process."""
    make_due: Callable[[BackgroundWork], Awaitable[None]]
    """Makes due at once what waits for a date, or for a process that may be dead. Call it while no engine runs."""
