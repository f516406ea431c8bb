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

    async def pass_through(phase: str) -> None:
        await told.put({"type": f"lifespan.{phase}"})
        answer = await answers.get()
        assert answer["type"] == f"lifespan.{phase}.complete", answer

    living = asyncio.create_task(live())
    await pass_through("startup")
    try:
        yield
    finally:
        await pass_through("shutdown")
        await living
