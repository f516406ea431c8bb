"""The service's own processes: each is started again when it ends, and all of them when the code changes."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from app.dev.errors import ending
from app.dev.processes import SERVICE_WAVE, Command, Process, Supervisor

PAUSES_SECONDS: Final = (0, 1, 2, 4, 8, 16, 30)
"""Before one that keeps ending is started again."""

STEADY_AFTER_SECONDS: Final = 30.0
RESTART_GRACE_SECONDS: Final = 3.0


class Service:
    """Used from the thread that looks after processes and from the one that watches the code."""

    def __init__(
        self, supervisor: Supervisor, note: Callable[[str], None], *, watched: bool
    ) -> None:
        self._supervisor = supervisor
        self._note = note
        self._watched = watched
        self._processes: dict[str, Process] = {}
        self._began: dict[str, float] = {}
        self._pauses = Counter[str]()
        self._due: dict[str, float] = {}
        self._broken: set[str] = set()
        self._lock = threading.Lock()

    @property
    def waits_for_a_change(self) -> bool:
        """Whether a process could not start, so that only another state of the code helps."""
        return bool(self._broken)

    def start(self, name: str, command: Command) -> None:
        """Start a process of the service."""
        process = self._supervisor.start(name, command, SERVICE_WAVE, essential=True)
        self._put(process)

    def buries(self, process: Process) -> bool:
        """Say how a process ended and what comes of it; `False` if it is none of the service."""
        if self._processes.get(process.name) is not process:
            return False
        process.essential = False
        name, code = process.name, process.returncode or 0
        lived = time.monotonic() - self._began[name]
        if lived > STEADY_AFTER_SECONDS:
            self._pauses[name] = 0
        if code > 0 and lived <= STEADY_AFTER_SECONDS and self._watched:
            # It has said why, and would say the same again.
            self._broken.add(name)
            self._note(f"{name} {ending(code)}: waiting for a change")
            return True
        pause = PAUSES_SECONDS[min(self._pauses[name], len(PAUSES_SECONDS) - 1)]
        self._pauses[name] += 1
        self._due[name] = time.monotonic() + pause
        self._note(
            f"{name} {ending(code)}: starting it again" + (f" in {pause} s" if pause else "")
        )
        return True

    def revive(self) -> None:
        """Start those again whose pause is over."""
        if not self._lock.acquire(blocking=False):
            # The code has changed: all of them are being restarted.
            return
        try:
            for name in [name for name, due in self._due.items() if due <= time.monotonic()]:
                del self._due[name]
                self._replace(self._processes[name])
        finally:
            self._lock.release()

    def restart(self) -> None:
        """Start all of them again."""
        with self._lock:
            self._due.clear()
            self._pauses.clear()
            self._broken.clear()
            self._replace(*self._processes.values())

    def _replace(self, *old: Process) -> None:
        for process in self._supervisor.restart(old, RESTART_GRACE_SECONDS):
            self._put(process)

    def _put(self, process: Process) -> None:
        self._processes[process.name] = process
        self._began[process.name] = time.monotonic()
