"""The servers that the tests talk to: those that the environment names, and embedded ones for the rest."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.dev.servers.base import Server, running
from app.dev.servers.postgres import SUPERUSER, Postgres
from app.dev.servers.temporal import Temporal
from app.dev.servers.valkey import Valkey

POSTGRES, REDIS, TEMPORAL = "TEST_DATABASE_URL", "TEST_REDIS_URL", "TEST_TEMPORAL_ADDRESS"


@contextmanager
def serving() -> Iterator[None]:
    """Start what the environment does not name, and name it there for this process and its children."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tests-")))
        # The server may run as another user.
        folder.chmod(0o755)
        postgres = Postgres(folder / "postgres", durable=False)
        valkey = Valkey(folder / "valkey")
        temporal = Temporal(folder / "temporal")
        named: dict[str, Server] = {POSTGRES: postgres, REDIS: valkey, TEMPORAL: temporal}
        missing = {name: server for name, server in named.items() if name not in os.environ}
        stack.callback(_forget, *missing)
        if missing:
            stack.enter_context(running(*missing.values()))
        for name in missing:
            os.environ[name] = {
                POSTGRES: lambda: postgres.url(SUPERUSER, "postgres"),
                REDIS: lambda: valkey.url,
                TEMPORAL: lambda: temporal.address,
            }[name]()
        yield


def _forget(*names: str) -> None:
    for name in names:
        os.environ.pop(name, None)
