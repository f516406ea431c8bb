"""The beginning and the end of the API process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import Lifespan

from app.api.dependencies.components import Components
from app.api.middlewares.request_tracking import RunningRequests


def lifespan(components: Components, running: RunningRequests) -> Lifespan[FastAPI]:
    """Return what the application does before its first request and after its last."""

    @asynccontextmanager
    async def serve(_app: FastAPI) -> AsyncIterator[None]:
        await components.database.check_server()
        yield
        running.begin_drain()
        await running.finished(components.settings.http.drain_timeout)
        await components.sign_in.close()
        await components.readiness.close()
        await components.database.close()

    return serve
