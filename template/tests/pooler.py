"""PgBouncer in front of a test's database, where this machine has it."""

import re
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from sqlalchemy.engine import URL, make_url

from app.core.settings import DatabaseSettings
from app.dev import network
from app.dev.errors import ToolMissing
from app.dev.processes import Command, Supervisor
from app.dev.servers.account import without_root
from app.dev.servers.base import Server
from tests import databases
from tests.programs import PGBOUNCER

DOCUMENT: Final = Path(__file__).parents[1] / "docs/deployment.md"


def documented() -> ConfigParser:
    """Return `pgbouncer.ini` as docs/deployment.md gives it."""
    [block] = re.findall(r"^```ini\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    ini = ConfigParser()
    ini.read_string(block)
    return ini


class PgBouncer(Server):
    """Runs with the documented settings, but for its addresses, and with one connection to PostgreSQL."""

    name = "pgbouncer"

    def __init__(self, folder: Path, database: DatabaseSettings) -> None:
        super().__init__(folder)
        self.target = _url(database.url)
        self.configuration = self.folder / "pgbouncer.ini"

    def prepare(self, supervisor: Supervisor) -> None:
        """Write what it reads."""
        # It may run as another user.
        self.folder.mkdir(parents=True, exist_ok=True)
        users = self.folder / "userlist.txt"
        roles = (databases.LOGIN, databases.OWNER)
        users.write_text("".join(f'"{role}" "{databases.PASSWORD}"\n' for role in roles))
        ini = documented()
        ini["databases"] = {
            str(self.target.database): f"host={self.target.host} port={self.target.port or 5432}"
        }
        ini["pgbouncer"].update(
            listen_addr=network.LOOPBACK,
            listen_port=str(self.port),
            unix_socket_dir="",
            auth_file=str(users),
            default_pool_size="1",
        )
        with self.configuration.open("w") as file:
            ini.write(file)

    def command(self) -> Command:
        """`pgbouncer`, which refuses to run as root.

        Raises:
            ToolMissing: this machine does not have it.
        """
        if PGBOUNCER is None:
            raise ToolMissing("pgbouncer is missing: install the system's package of that name.")
        account = without_root(Path(PGBOUNCER), self.folder)
        account.give(self.folder)
        argv = [*account.prefix, PGBOUNCER, "--quiet", str(self.configuration)]
        return Command(argv, {}, account=account.switch)

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        return network.accepts(self.port)

    def environment(self) -> Mapping[str, str]:
        """`DATABASE__URL` and `DATABASE__POOLER`."""
        return {"DATABASE__URL": self._through(self.target), "DATABASE__POOLER": "transaction"}

    def settings(self, database: DatabaseSettings) -> DatabaseSettings:
        """Return those of a service behind it: what `environment` says, in place of what `database` says."""
        url = SecretStr(self._through(self.target))
        return database.model_copy(update={"url": url, "pooler": "transaction"})

    def url_of(self, role: str) -> str:
        """Return the URL of the same database through it, as another role."""
        return self._through(self.target.set(username=role))

    def _through(self, url: URL) -> str:
        return url.set(host=network.LOOPBACK, port=self.port).render_as_string(hide_password=False)


def _url(url: SecretStr) -> URL:
    return make_url(url.get_secret_value())
