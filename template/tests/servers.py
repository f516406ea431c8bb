"""The servers that the tests talk to: those that the environment names, and embedded ones for the rest."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.dev.servers.base import Server, running
from app.dev.servers.postgres import SUPERUSER, Postgres
from app.dev.servers.temporal import Temporal

POSTGRES, TEMPORAL = "TEST_DATABASE_URL", "TEST_TEMPORAL_ADDRESS"
_EMBEDDED = "TEST_EMBEDDED_SERVERS"
"""Names the file with the addresses of the embedded ones, for the processes of pytest-xdist."""


def address(name: str) -> str:
    """Return where a server is: the environment's word for it, or else the embedded one's."""
    if name in os.environ:
        return os.environ[name]
    embedded: dict[str, str] = json.loads(Path(os.environ[_EMBEDDED]).read_text())
    return embedded[name]


@contextmanager
def starting() -> Iterator[Callable[[], None]]:
    """Start what the environment does not name, and yield what waits until it serves.

    It starts in the background: meanwhile the processes of pytest-xdist import the application.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tests-")))
        # The server may run as another user.
        folder.chmod(0o755)
        postgres = Postgres(folder / "postgres", durable=False)
        temporal = Temporal(folder / "temporal", durable=False)
        addresses: dict[str, tuple[Server, Callable[[], str]]] = {
            POSTGRES: (postgres, lambda: postgres.url(SUPERUSER, "postgres")),
            TEMPORAL: (temporal, lambda: temporal.address),
        }
        missing = {name: server for name, server in addresses.items() if name not in os.environ}
        embedded = folder / "addresses.json"
        os.environ[_EMBEDDED] = str(embedded)
        stack.callback(os.environ.pop, _EMBEDDED)

        def start() -> None:
            if missing:
                stack.enter_context(running(*(server for server, _ in missing.values())))
            embedded.write_text(json.dumps({name: find() for name, (_, find) in missing.items()}))

        started = stack.enter_context(ThreadPoolExecutor(1)).submit(start)
        yield started.result
