"""The servers that the tests talk to: those that the environment names, and embedded ones for the rest.

Each other module of this folder is one of them: how it is made, and the variable that names one which runs already.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Final

from app.dev.servers.base import Server, running

type Embedded = tuple[Server, Callable[[], str]]
"""A server, and what tells where it is once it serves."""

# Databases come and go with each test process: in memory that costs PostgreSQL half as much as on a disk.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  a folder of its own is made in it
_ROOM_BYTES: Final = 2 * 2**30

_ADDRESSES: Final = "TEST_EMBEDDED_SERVERS"
"""Names the file with the addresses of the embedded ones, for the processes of pytest-xdist."""


def known() -> dict[str, Callable[[Path], Embedded]]:
    """Return what makes each server in a folder, by its variable."""
    here = Path(__file__)
    names = sorted(path.stem for path in here.parent.glob("*.py") if path != here)
    modules = [import_module(f"tests.servers.{name}") for name in names]
    return {module.VARIABLE: module.make for module in modules}


def address(variable: str) -> str:
    """Return where a server is: the environment's word for it, or else the embedded one's."""
    if variable in os.environ:
        return os.environ[variable]
    embedded: dict[str, str] = json.loads(Path(os.environ[_ADDRESSES]).read_text())
    return embedded[variable]


@contextmanager
def starting(*variables: str) -> Iterator[Callable[[], None]]:
    """Start those of these servers that the environment does not name; yield what waits until they serve.

    They start in the background: meanwhile the processes of pytest-xdist import the application.
    """
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="tests-", dir=_in_memory())
        folder = Path(stack.enter_context(temporary))
        # The server may run as another user.
        folder.chmod(0o755)
        make, missing = known(), [name for name in variables if name not in os.environ]
        made = {name: make[name](folder / name.lower()) for name in missing}
        addresses = folder / "addresses.json"
        os.environ[_ADDRESSES] = str(addresses)
        stack.callback(os.environ.pop, _ADDRESSES)

        def start() -> None:
            if made:
                stack.enter_context(running(*(server for server, _ in made.values())))
            addresses.write_text(json.dumps({name: find() for name, (_, find) in made.items()}))

        started = stack.enter_context(ThreadPoolExecutor(1)).submit(start)
        yield started.result


def _in_memory() -> Path | None:
    has_room = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    return _MEMORY if has_room and "TMPDIR" not in os.environ else None
