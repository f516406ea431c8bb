"""The real servers and processes, as an operator runs them, and how each is stopped and started."""

import asyncio
import os
import signal
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.dev import network
from app.dev.errors import ServerFailed
from app.dev.processes import SERVICE_WAVE, Process, Supervisor, python
from app.dev.servers.base import Server, start
from app.dev.servers.postgres import SUPERUSER, Postgres
from app.dev.stack import PROCESSES, SERVERS
from bench.stage import production_environment
from faults.waiting import PATIENCE_SECONDS
from faults.working import PORTS
from tests import databases

DATABASE: Final = "faults"

API: Final[str] = "api"

_KEPT_LINES: Final = 2000
_ROUTINE: Final = '"level":"info"'
_CHANGES: Final = {
    # A tenant that is deleted while a fault lasts is to be gone in this run.
    "TENANTS__DELETION_GRACE": "PT1S",
    # The defaults of 30 and 5 seconds would only take longer; this one is the first that ends a wait.
    "DATABASE__STATEMENT_TIMEOUT": "PT3S",
    "DATABASE__LOCK_TIMEOUT": "PT3S",
}


@dataclass(slots=True)
class Stage:
    """What runs; everything keeps its port over a restart."""

    supervisor: Supervisor
    servers: Mapping[str, Server]
    environment: Mapping[str, str]
    ports: Mapping[str, int]
    """Where each process of the service tells how it is."""
    lines: Sequence[str]
    """The last warnings and errors that the processes of the service have written."""
    running: dict[str, Process] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The API's."""
        return f"http://{network.LOOPBACK}:{self.ports[API]}"

    @property
    def admin_url(self) -> str:
        """The database's, for a superuser."""
        return self.admin_url_of(DATABASE)

    def admin_url_of(self, database: str) -> str:
        """Return that of another one."""
        postgres = self.servers[Postgres.name]
        assert isinstance(postgres, Postgres)
        return postgres.url(SUPERUSER, database)

    async def start(self, name: str, **changes: str) -> None:
        """Start a server, or a process of the service with changed settings, and wait until it serves.

        Raises:
            ServerFailed: it does not.
        """
        begin = self._start_server if name in self.servers else self._start_process
        await asyncio.to_thread(begin, name, changes)

    async def stop(self, name: str, number: signal.Signals | None = None) -> None:
        """End a server or process, by its usual signal or by `number`, and wait until it has ended."""
        process = self.running.pop(name)
        process.signal(number or process.command.stop_signal)
        await asyncio.to_thread(process.wait, PATIENCE_SECONDS)
        self.supervisor.forget(process)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal and wait for nothing."""
        self.running[name].signal(number)

    def pids(self) -> dict[str, int]:
        """Return the processes of the service that run."""
        return {
            name: self.running[name].pid
            for name in PROCESSES
            if name in self.running and self.running[name].returncode is None
        }

    def is_ready(self, name: str) -> bool:
        """Tell whether a process of the service says that it is."""
        return network.answers(f"http://{network.LOOPBACK}:{self.ports[name]}/health/ready")

    def _start_server(self, name: str, _changes: Mapping[str, str]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self.running[name] = start(self.servers[name], self.supervisor)
                return
            except ServerFailed:
                # After a kill, PostgreSQL waits for its orphans to notice.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _start_process(self, name: str, changes: Mapping[str, str]) -> None:
        command = python("-m", "app", name, env={**self.environment, **changes})
        process = self.running[name] = self.supervisor.start(name, command, SERVICE_WAVE)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.is_ready(name):
            if process.returncode is not None or time.monotonic() > deadline:
                raise ServerFailed(f"{name} did not start.\n{process.output()}")
            time.sleep(0.05)


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Yield everything running, with a migrated database; all of it ends with the block."""
    lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def keep(name: str, line: str) -> None:
        if name in PROCESSES and _ROUTINE not in line:
            lines.append(f"{name} | {line}")

    with _folder() as folder, Supervisor(keep) as supervisor:
        yield await _started(folder, lines, supervisor)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        # A server may run as another user.
        folder.chmod(0o755)
        yield folder


async def _started(folder: Path, lines: Sequence[str], supervisor: Supervisor) -> Stage:
    servers = {server.name: server(folder / server.name) for server in SERVERS}
    ports = {name: network.reserve_port() for name in PROCESSES}
    built = Stage(supervisor, servers, {}, ports, lines)
    for name in servers:
        await built.start(name)
    admin_url = built.admin_url_of("postgres")
    await databases.clone(admin_url, DATABASE)
    others = [server for name, server in servers.items() if name != Postgres.name]
    built.environment = {
        **production_environment(databases.settings_for(admin_url, DATABASE), others),
        **_CHANGES,
        **{setting: str(ports[name]) for setting, name in PORTS.items()},
    }
    # A project's own .env is none of these processes' business.
    os.chdir(folder)
    os.environ.clear()
    # This process uses the service's code as well, to write rows.
    os.environ.update({**built.environment, "LOGGING__LEVEL": "error"})
    for name in PROCESSES:
        await built.start(name)
    return built
