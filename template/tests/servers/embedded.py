"""The servers that the tests talk to: those that the environment names, and embedded ones for the rest.

Each other module of this folder is one of them: how it is made, and the variable that names one which runs already.

One process of a run starts them, each when its address is asked for first. The others, those of pytest-xdist, ask it
through a named pipe, and find the answer in a file beside it.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from threading import Lock, Thread
from typing import Final, TextIO

from app.dev.errors import DevError, ServerFailed
from app.dev.processes import Supervisor
from app.dev.servers.base import Server, start

type Embedded = tuple[Server, Callable[[], str]]
"""A server, and what tells where it is once it serves."""

# Databases come and go with each test process: in memory that costs PostgreSQL half as much as on a disk.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  a folder of its own is made in it
_ROOM_BYTES: Final = 2 * 2**30

_FOLDER: Final = "TEST_EMBEDDED_SERVERS"
"""Names the folder of the run's servers, for the processes of pytest-xdist."""
_PIPE: Final = "wanted"


def known() -> dict[str, Callable[[Path], Embedded]]:
    """Return what makes each server in a folder, by its variable."""
    here = Path(__file__)
    names = sorted(path.stem for path in here.parent.glob("*.py") if path != here)
    modules = [import_module(f"tests.servers.{name}") for name in names]
    return {module.VARIABLE: module.make for module in modules}


def address(variable: str) -> str:
    """Return where a server is: the environment's word for it, or else the embedded one's, which starts if need be.

    Raises:
        ServerFailed: it did not start.
    """
    if variable in os.environ:
        return os.environ[variable]
    folder = Path(os.environ[_FOLDER])
    found = folder / f"{variable}.json"
    if not found.exists():
        with (folder / _PIPE).open("w") as pipe:
            pipe.write(f"{variable}\n")
    while not found.exists():
        time.sleep(0.01)
    answer: dict[str, str] = json.loads(found.read_text())
    if "failure" in answer:
        raise ServerFailed(answer["failure"])
    return answer["address"]


def serving() -> list[str]:
    """Return the variables of the embedded servers that have started in this run."""
    return sorted(path.stem for path in Path(os.environ[_FOLDER]).glob("*.json"))


@contextmanager
def starting(*variables: str) -> Iterator[Callable[[], None]]:
    """Start these servers already, and others when they are asked for; yield what waits until these serve.

    They start in the background: meanwhile the processes of pytest-xdist import the application. What the environment
    names is left alone.
    """
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="tests-", dir=_in_memory())
        folder = Path(stack.enter_context(temporary))
        # The server may run as another user.
        folder.chmod(0o755)
        os.mkfifo(folder / _PIPE, 0o600)
        os.environ[_FOLDER] = str(folder)
        stack.callback(os.environ.pop, _FOLDER)
        starter = _Starter(folder)
        stack.enter_context(starter.answering())
        early = [starter.start(name) for name in variables if name not in os.environ]

        def wait() -> None:
            for server in early:
                server.result()

        yield wait


class _Starter:
    """Starts each server once, in the background, and writes down where it is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._pool = self._stack.enter_context(ThreadPoolExecutor())
        self._lock = Lock()
        self._make = known()
        self._servers: dict[str, Future[None]] = {}
        self._supervisor: Supervisor | None = None

    def start(self, variable: str) -> Future[None]:
        """Start a server, unless that has been done already."""
        with self._lock:
            if variable not in self._servers:
                # With the first server only: it is a process, too.
                self._supervisor = self._supervisor or self._stack.enter_context(Supervisor())
                work = (variable, self._make[variable], self._supervisor)
                self._servers[variable] = self._pool.submit(self._start, *work)
            return self._servers[variable]

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Start what is asked for through the pipe, and stop everything with the block."""
        # Opened for writing too, it neither waits for the first who asks nor ends with the last.
        with self._stack, os.fdopen(os.open(self._folder / _PIPE, os.O_RDWR)) as pipe:
            answering = Thread(target=self._answer, args=(pipe,))
            answering.start()
            try:
                yield
            finally:
                (self._folder / _PIPE).write_text("\n")
                answering.join()

    def _answer(self, pipe: TextIO) -> None:
        for line in pipe:
            if line == "\n":
                return
            self.start(line.strip())

    def _start(
        self, variable: str, make: Callable[[Path], Embedded], supervisor: Supervisor
    ) -> None:
        try:
            server, find = make(self._folder / variable.lower())
            start(server, supervisor)
        except DevError as exc:
            self._write(variable, failure=str(exc))
            raise
        self._write(variable, address=find())

    def _write(self, variable: str, **answer: str) -> None:
        # Renamed when it is complete: it is read as soon as it is there.
        draft = self._folder / f"{variable}.draft"
        draft.write_text(json.dumps(answer))
        draft.rename(self._folder / f"{variable}.json")


def _in_memory() -> Path | None:
    has_room = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    return _MEMORY if has_room and "TMPDIR" not in os.environ else None
