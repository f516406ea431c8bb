"""An application started and stopped as a server does it, through its middlewares."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Message


@asynccontextmanager
async def started(app: ASGIApp) -> AsyncIterator[None]:
    """Run the lifespan of `app` around the `with` (ASGI's lifespan protocol)."""
    told: asyncio.Queue[Message] = asyncio.Queue()
    answers: asyncio.Queue[Message] = asyncio.Queue()

    async def live() -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        await app(scope, told.get, answers.put)

    living = asyncio.create_task(live())
    for phase in ("startup", "shutdown"):
        await told.put({"type": f"lifespan.{phase}"})
        answer = await answers.get()
        assert answer["type"] == f"lifespan.{phase}.complete", answer
        if phase == "startup":
            yield
    await living
