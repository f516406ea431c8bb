"""What every embedded server can do, and how it is started.

    postgres, mailbox = Postgres(folder / "postgres"), Mailbox(folder / "mailbox")
    with running(postgres, mailbox):
        ...

Synchronous, so that tests can use it outside any event loop.
"""

import importlib.util
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from app.dev import network
from app.dev.errors import ServerFailed, Stopping, ToolMissing
from app.dev.processes import SERVERS_WAVE, Command, Process, Supervisor

START_ATTEMPTS = 4
READY_WITHIN_SECONDS = 60.0


class Server(ABC):
    """A server program with a data folder and a loopback port.

    Without a `port`, it takes a free one, and another when that one is lost before it can bind.
    """

    name: ClassVar[str]
    is_chatty: ClassVar[bool] = False
    """Whether what it writes is of no use unless it fails."""
    serves_requests: ClassVar[bool] = False
    """Whether the API asks it while it answers; the others serve background work or a person."""
    knows_its_address: ClassVar[bool] = False
    """Whether it answers with its own address, which then has to be the one that it is asked by."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder.absolute()
        self.port = port or network.reserve_port()
        self.picks_ports = port is None

    def prepare(self, supervisor: Supervisor) -> None:
        """Make the data folder what the server needs; a folder that is ready stays as it is."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @abstractmethod
    def command(self) -> Command:
        """What starts the server on its present ports."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it serves now: asked of the server itself, not of the clock."""

    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """The settings that point the service at it."""

    def pages(self) -> Mapping[str, str]:
        """Its pages for people: title and URL."""
        return {}

    def ports(self) -> tuple[int, ...]:
        """The ports that it has to bind."""
        return (self.port,)

    def change_ports(self) -> None:
        """Take other ports."""
        self.port = network.reserve_port()

    def lost_a_port(self) -> bool:
        """Whether another program holds a port that we picked."""
        return self.picks_ports and any(network.accepts(port) for port in self.ports())


def wheel(package: str) -> Path:
    """The folder of an installed package, without importing it.

    Raises:
        ToolMissing: it is not installed.
    """
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ToolMissing(f"{package} is missing: install the `dev` dependency group (uv sync).")
    return Path(found.origin).parent


def start(server: Server, supervisor: Supervisor) -> Process:
    """The server's process, ready to serve.

    Raises:
        PortUnavailable: the port that was asked for is in use.
        ServerFailed: it ended, or was not ready in time.
        ToolMissing: its program is not installed.
        Stopping: everything is being stopped.
    """
    if not server.picks_ports:
        for port in server.ports():
            network.require_free(network.LOOPBACK, port)
    server.prepare(supervisor)
    for _ in range(START_ATTEMPTS):
        process = supervisor.start(server.name, server.command(), SERVERS_WAVE, muted=True)
        if _becomes_ready(server, process, supervisor):
            process.muted = server.is_chatty
            process.essential = True
            return process
        if supervisor.stopping.is_set():
            raise Stopping
        if not server.lost_a_port():
            break
        server.change_ports()
    raise ServerFailed(f"{server.name} did not start.\n{process.output()}")


def _becomes_ready(server: Server, process: Process, supervisor: Supervisor) -> bool:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline and not supervisor.stopping.is_set():
        ready = server.is_ready()
        if process.returncode is not None:
            break
        if ready:
            return True
        time.sleep(0.03)
    supervisor.forget(process)
    return False


def start_all(servers: Sequence[Server], supervisor: Supervisor) -> None:
    """Start all of them at the same time; the first failure stops the others.

    Raises:
        DevError: as `start`.
    """
    with ThreadPoolExecutor(len(servers)) as pool:
        try:
            futures = [pool.submit(start, server, supervisor) for server in servers]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            # Leaving the pool waits for the others: they have to notice.
            supervisor.stop()
            raise


@contextmanager
def running(*servers: Server) -> Iterator[None]:
    """The servers serve inside the `with`; they also end when this process is killed.

    Raises:
        DevError: as `start`.
    """
    with Supervisor() as supervisor:
        start_all(servers, supervisor)
        yield
