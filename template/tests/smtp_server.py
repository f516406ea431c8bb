"""A mail server that is down, refuses, or takes what it gets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import SecretStr

from app.core.settings import Settings
from app.dev.network import reserve_port
from tests.patience import PATIENCE


@dataclass
class SmtpServer:
    """An SMTP server on a port that is free until it opens."""

    port: int = field(default_factory=reserve_port)
    refuses: bool = False
    hangs: bool = False
    received: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Take mail as long as the block runs."""
        connections: list[SMTP] = []

        def connect() -> SMTP:
            connections.append(SMTP(self, hostname="localhost"))
            return connections[-1]

        loop = asyncio.get_running_loop()
        async with await loop.create_server(connect, "127.0.0.1", self.port):
            yield
            for connection in connections:
                if connection.transport is not None:
                    connection.transport.close()

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        """Take a recipient, or refuse it for good."""
        if self.hangs:
            await asyncio.Event().wait()
        if self.refuses:
            return f"550 {address} is no user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep the mail."""
        assert isinstance(envelope.content, bytes)
        self.received.append(envelope.content.decode())
        return "250 OK"

    def used_by(self, settings: Settings) -> Settings:
        """Return settings of a service that sends its mail here."""
        # Nothing but the timeout ends what hangs, and the engine's end waits for it.
        timeout = timedelta(seconds=0.5) if self.hangs else PATIENCE
        mail = {"smtp_url": SecretStr(f"smtp://127.0.0.1:{self.port}"), "timeout": timeout}
        return settings.model_copy(update={"mail": settings.mail.model_copy(update=mail)})
