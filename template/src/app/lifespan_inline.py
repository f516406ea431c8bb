"""The beginning and the end of an API process that does background work as well."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.types import Lifespan

from app import lifespan as requests
from app.api.dependencies.components import Components
from app.api.middlewares.request_tracking import RunningRequests
from app.core.settings import Settings, SettingsError
from app.inline.engine import Engine
from app.services.background_work import BackgroundWork


def lifespan(components: Components, running: RunningRequests) -> Lifespan[FastAPI]:
    """Return what the application does before its first request and after its last.

    Raises:
        SettingsError: `DATABASE__OWNER_URL` is not set, and this process is to do background work.
    """
    serve = requests.lifespan(components, running)
    settings = components.settings
    if settings.background.concurrency == 0:
        return serve
    work = _work(settings)

    @asynccontextmanager
    async def serve_and_work(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(work.close)
            # Requests end first: they may ask for work that there is still time for.
            await stack.enter_async_context(Engine(work, settings.background).running())
            await stack.enter_async_context(serve(app))
            yield

    return serve_and_work


def _work(settings: Settings) -> BackgroundWork:
    if settings.database.owner_url is None:
        raise SettingsError(
            "DATABASE__OWNER_URL is not set; background work needs it, as the DDL role owns schemas."
            " With BACKGROUND__CONCURRENCY=0 this process does none."
        )
    # Pools of its own: neither requests nor background work wait for the other's connections.
    own = {"pool_size": settings.background.pool_size, "max_overflow": 0}
    database = settings.database.model_copy(update=own)
    return BackgroundWork.build(settings.model_copy(update={"database": database}))
