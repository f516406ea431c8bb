"""The servers, and the applications that are measured on them."""

import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from importlib import import_module
from pathlib import Path
from typing import Final

from app.core.settings import DatabaseSettings
from app.dev import network
from app.dev.processes import SERVICE_WAVE, Process, Supervisor, python
from app.dev.servers.base import Server, start
from app.dev.servers.postgres import SUPERUSER, Postgres
from app.dev.stack import SERVERS
from bench import usage
from service import ANSWERS, SERVICE
from tests import databases
from tests.sending import ENVIRONMENT

_PROOF: Final = Path(__file__).resolve().parents[1]
DATABASE: Final = "bench"
COMMANDS: Final = {
    "bare": ("-m", "bench.floors", "bare"),
    "guarded": ("-m", "bench.floors", "guarded"),
    "service": ("-m", "app", "api", "--port"),
    "with middlewares": ("-m", "bench.middlewares", "with"),
    "without middlewares": ("-m", "bench.middlewares", "without"),
}
"""What is started, but for its port, by what the report calls it."""

_PRODUCTION: Final = {
    "ENVIRONMENT": "production",
    "PUBLIC_URL": "https://app.example.com",
    **ENVIRONMENT,
    "AUTH__ACTIVE_KID": "bench",
    "AUTH__ISSUER": "bench",
    "AUTH__AUDIENCE": "bench-api",
    "MAIL__SMTP_URL": "smtp://127.0.0.1:1",
    "MAIL__SENDER": "service@example.com",
    "HTTP__TRUSTED_PROXIES": '["127.0.0.1/32"]',
    "HTTP__CORS_ORIGINS": '["https://app.example.com"]',
}
_PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Application:
    """A process that answers on a port."""

    name: str
    port: int
    process: Process
    start_seconds: float = 0.0
    """From its start to its first answer."""

    def answers(self) -> bool:
        """Tell whether it answers; the floors know no such path."""
        try:
            self.read("/health/live")
        except OSError:
            return False
        return True

    def read(self, path: str) -> str:
        """Return what it answers to a GET; any answer will do."""
        connection = HTTPConnection(network.LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

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
        started = Application(name, port, process)
        while not started.answers():
            if process.returncode is not None or time.perf_counter() > began + _PATIENCE_SECONDS:
                raise RuntimeError(f"{name} did not start.\n{process.output()}")
            time.sleep(0.002)
        return replace(started, start_seconds=time.perf_counter() - began)

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
        environment = production_environment(database, others)
        # A project's own .env is none of these processes' business.
        os.chdir(folder)
        os.environ.clear()
        # This process uses the service's code as well, to write rows.
        os.environ.update({**environment, "LOGGING__LEVEL": "error"})
        yield Stage(
            postgres, others, environment, supervisor, folder, database, postgres_process.pid
        )


def production_environment(database: DatabaseSettings, others: Sequence[Server]) -> dict[str, str]:
    """Return the environment of a service in production on these servers."""
    assert database.owner_url is not None
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    values = {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(SERVICE), str(SERVICE / "src"), str(_PROOF)]),
        **_PRODUCTION,
        **_unlimited(),
        "DATABASE__URL": database.url.get_secret_value(),
        "DATABASE__OWNER_URL": database.owner_url.get_secret_value(),
        "FLOOR_URL": database.owner_url.get_secret_value(),
        "AUTH__KEYS": json.dumps({"bench": secrets.token_urlsafe(48)}),
    }
    for server in others:
        values |= server.environment()
    return values


def _unlimited() -> dict[str, str]:
    # Counted all the same, but no measurement reaches them.
    if ANSWERS["rate_limit_backend"] == "none":
        return {}
    limits = import_module("app.core.rate_limit.settings").RateLimitSettings.model_fields
    return {
        f"RATE_LIMITS__{name.upper()}": "1000000 per 1 second"
        for name in limits
        if name != "enabled"
    }
