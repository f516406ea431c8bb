"""`python -m app.dev.mailbox --smtp-port 1025 --http-port 8025`: both on loopback only."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from aiosmtpd.smtp import SMTP
from starlette.applications import Starlette

from app.dev.mailbox.messages import MAX_MESSAGE_BYTES, Inbox, Messages
from app.dev.mailbox.pages import create_app
from app.dev.network import LOOPBACK


def main() -> None:
    """Take mail and show it until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m app.dev.mailbox")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    ports = parser.parse_args()
    messages = Messages()

    @asynccontextmanager
    async def take_mail(_: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        async with await loop.create_server(lambda: _smtp(messages), LOOPBACK, ports.smtp_port):
            yield

    uvicorn.run(
        create_app(messages, take_mail),
        host=LOOPBACK,
        port=ports.http_port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )


def _smtp(messages: Messages) -> SMTP:
    # Without a host name aiosmtpd asks the DNS for one.
    return SMTP(
        Inbox(messages),
        hostname="localhost",
        data_size_limit=MAX_MESSAGE_BYTES,
        enable_SMTPUTF8=True,
    )


if __name__ == "__main__":
    main()
