"""An application behind HTTP in this process, spoken as `app api` speaks it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from app.cli.api import SERVER
from app.cli.http_protocol import bounded_protocol
from app.core.settings import HttpSettings


@asynccontextmanager
async def served(application: ASGIApp, state: ServerState, **options: Any) -> AsyncIterator[int]:
    """Serve inside the `with`, on the loopback port that it gives; the lifespan is the caller's business."""
    protocol = bounded_protocol(HttpSettings())
    config = uvicorn.Config(application, lifespan="off", **SERVER | options)
    config.load()
    assert config.http_protocol_class is protocol

    def connect() -> asyncio.Protocol:
        return protocol(config=config, server_state=state, app_state={})

    server = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
