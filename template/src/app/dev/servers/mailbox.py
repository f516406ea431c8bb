"""The mailbox (`app.dev.mailbox`) as a server."""

from collections.abc import Mapping
from pathlib import Path

from app.dev import network
from app.dev.processes import Command, python
from app.dev.servers.base import Server


class Mailbox(Server):
    """Takes every mail that the service sends and shows it; keeps them until it stops.

    `port` is the SMTP port; the pages have one of their own.
    """

    name = "mailbox"

    def __init__(self, folder: Path, port: int | None = None) -> None:
        super().__init__(folder, port)
        self._http_port = network.reserve_port()

    @property
    def smtp_url(self) -> str:
        """Where mail is handed in."""
        return f"smtp://{network.LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """Where people read it; `/messages.json` is the same for programs."""
        return f"http://{network.LOOPBACK}:{self._http_port}"

    def ports(self) -> tuple[int, ...]:
        """SMTP and HTTP."""
        return (self.port, self._http_port)

    def change_ports(self) -> None:
        """Take other ports for both."""
        super().change_ports()
        self._http_port = network.reserve_port()

    def environment(self) -> Mapping[str, str]:
        """`MAIL__SMTP_URL`."""
        return {"MAIL__SMTP_URL": self.smtp_url}

    def pages(self) -> Mapping[str, str]:
        """The page that shows mail."""
        return {"Mailbox": self.url}

    def command(self) -> Command:
        """`python -m app.dev.mailbox`."""
        ports = ("--smtp-port", str(self.port), "--http-port", str(self._http_port))
        return python("-m", "app.dev.mailbox", *ports)

    def is_ready(self) -> bool:
        """Whether its page is served, which starts after SMTP."""
        return network.answers(f"{self.url}/messages.json")
