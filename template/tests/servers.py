"""The servers that the tests talk to: those that the environment names, and embedded ones for the rest."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from app.dev.servers.base import Server, running
from app.dev.servers.postgres import SUPERUSER, Postgres

type Embedded = tuple[Server, Callable[[], str]]
"""A server, and what tells where it is once it serves."""

POSTGRES: Final = "TEST_DATABASE_URL"
_EMBEDDED: Final = "TEST_EMBEDDED_SERVERS"
"""Names the file with the addresses of the embedded ones, for the processes of pytest-xdist."""


def address(name: str) -> str:
    """Return where a server is: the environment's word for it, or else the embedded one's."""
    if name in os.environ:
        return os.environ[name]
    embedded: dict[str, str] = json.loads(Path(os.environ[_EMBEDDED]).read_text())
    return embedded[name]


@contextmanager
def starting(**others: Callable[[Path], Embedded]) -> Iterator[Callable[[], None]]:
    """Start PostgreSQL and `others`, unless the environment names them; yield what waits until they serve.

    They start in the background: meanwhile the processes of pytest-xdist import the application.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tests-")))
        # The server may run as another user.
        folder.chmod(0o755)
        wanted = {POSTGRES: _postgres, **others}
        missing = {name: make(folder) for name, make in wanted.items() if name not in os.environ}
        embedded = folder / "addresses.json"
        os.environ[_EMBEDDED] = str(embedded)
        stack.callback(os.environ.pop, _EMBEDDED)

        def start() -> None:
            if missing:
                stack.enter_context(running(*(server for server, _ in missing.values())))
            embedded.write_text(json.dumps({name: find() for name, (_, find) in missing.items()}))

        started = stack.enter_context(ThreadPoolExecutor(1)).submit(start)
        yield started.result


def _postgres(folder: Path) -> Embedded:
    postgres = Postgres(folder / "postgres", durable=False)
    return postgres, lambda: postgres.url(SUPERUSER, "postgres")
