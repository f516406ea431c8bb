"""The servers, and the applications that are measured on them."""

import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from app.core.settings import DatabaseSettings
from app.dev import network
from app.dev.processes import SERVICE_WAVE, Process, Supervisor, python
from app.dev.servers.base import Server, start
from app.dev.servers.postgres import SUPERUSER, Postgres
from app.dev.stack import SERVERS
from bench import usage
from tests import databases
from tests.sending import ENVIRONMENT

ROOT: Final = Path(__file__).resolve().parents[1]
DATABASE: Final = "bench"
COMMANDS: Final = {
    "bare": ("-m", "bench.floors", "bare"),
    "guarded": ("-m", "bench.floors", "guarded"),
    "service": ("-m", "app", "api", "--port"),
    "with middlewares": ("-m", "bench.middlewares", "with"),
    "without middlewares": ("-m", "bench.middlewares", "without"),
}
"""What is started, but for its port, by what the report calls it."""

_UNLIMITED: Final = "1000000 per 1 second"
_PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Application:
    """A process that answers on a port."""

    name: str
    port: int
    process: Process
    start_seconds: float
    """From its start to its first answer."""

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs, and the settings that lead to it."""

    postgres: Postgres
    others: Sequence[Server]
    """What else the API asks while it answers."""
    environment: Mapping[str, str]
    supervisor: Supervisor
    folder: Path
    database: DatabaseSettings
    postgres_pid: int

    def start(self, name: str, **changes: str) -> Application:
        """Start an application and wait for its first answer.

        Raises:
            RuntimeError: it ended, or did not answer.
        """
        port = network.reserve_port()
        command = python(*COMMANDS[name], str(port), env={**self.environment, **changes})
        began = time.perf_counter()
        process = self.supervisor.start(name, command, SERVICE_WAVE, muted=True)
        while not _answers(port):
            if process.returncode is not None or time.perf_counter() > began + _PATIENCE_SECONDS:
                raise RuntimeError(f"{name} did not start.\n{process.output()}")
            time.sleep(0.002)
        return Application(name, port, process, time.perf_counter() - began)

    def stop(self, application: Application) -> None:
        """End an application."""
        application.process.signal(application.process.command.stop_signal)
        application.process.wait(5)
        self.supervisor.forget(application.process)

    def backends_mb(self) -> list[float]:
        """Return the private memory of each PostgreSQL process, the largest first."""
        pids = usage.family(self.postgres_pid)[1:]
        return sorted((usage.private_mb(pid) for pid in pids), reverse=True)


@contextmanager
def stage() -> Iterator[Stage]:
    """Yield running servers with a migrated database; all of it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, Supervisor() as supervisor:
        folder = Path(name)
        # The server may run as another user.
        folder.chmod(0o755)
        postgres = Postgres(folder / Postgres.name)
        others = [
            server(folder / server.name)
            for server in SERVERS
            if server.serves_requests and server is not Postgres
        ]
        postgres_process = start(postgres, supervisor)
        for server in others:
            start(server, supervisor)
        database = databases.settings_for(postgres.url(SUPERUSER, "postgres"), DATABASE)
        environment = _environment(database, others)
        # A project's own .env is none of these processes' business.
        os.chdir(folder)
        os.environ.clear()
        # This process uses the service's code as well, to write rows.
        os.environ.update({**environment, "LOGGING__LEVEL": "error"})
        yield Stage(
            postgres, others, environment, supervisor, folder, database, postgres_process.pid
        )


def _answers(port: int) -> bool:
    try:
        connection = HTTPConnection(network.LOOPBACK, port, timeout=5)
        connection.request("GET", "/health/live")
        # Any answer will do: the floors know no such path.
        connection.getresponse().read()
        connection.close()
    except OSError:
        return False
    return True


def _environment(database: DatabaseSettings, others: Sequence[Server]) -> dict[str, str]:
    assert database.owner_url is not None  # noqa: S101  as the tests make it
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    values = {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        "ENVIRONMENT": "production",
        "PUBLIC_URL": "https://app.example.com",
        **ENVIRONMENT,
        "DATABASE__URL": database.url.get_secret_value(),
        "DATABASE__OWNER_URL": database.owner_url.get_secret_value(),
        "FLOOR_URL": database.owner_url.get_secret_value(),
        "AUTH__KEYS": json.dumps({"bench": secrets.token_urlsafe(48)}),
        "AUTH__ACTIVE_KID": "bench",
        "AUTH__ISSUER": "bench",
        "AUTH__AUDIENCE": "bench-api",
        "MAIL__SMTP_URL": "smtp://127.0.0.1:1",
        "MAIL__SENDER": "service@example.com",
        "HTTP__TRUSTED_PROXIES": '["127.0.0.1/32"]',
        "HTTP__CORS_ORIGINS": '["https://app.example.com"]',
    }
    for limit in ("CLIENT", "TENANT", "LOGIN_ACCOUNT", "LOGIN_ADDRESS"):
        values[f"RATE_LIMITS__{limit}"] = _UNLIMITED
    for server in others:
        values |= server.environment()
    return values
