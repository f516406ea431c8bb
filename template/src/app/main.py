"""The API process: everything is built here and passed on; nothing is read or built at import."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.types import Lifespan

from app.api import health, metrics, openapi, problems
from app.api.context.tenant_header import TenantStrategy
from app.api.dependencies.components import Components
from app.api.middlewares.request_tracking import RunningRequests
from app.api.middlewares.stack import stack
from app.api.pages import routes as pages
from app.api.v1 import routers
from app.core import about
from app.core.db.database import Database
from app.core.logging import configure_logging
from app.core.metrics import Metrics
from app.core.rate_limit.backend import create_rate_limiter
from app.core.security.access_tokens import AccessTokens
from app.core.security.opaque_tokens import DerivedTokens
from app.core.security.passwords import Passwords
from app.core.settings import Settings, load_settings

API_PREFIX: Final = "/api/v1"


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application; without `settings`, from the environment.

    Raises:
        SettingsError: the environment does not describe a service that can start.
    """
    settings = settings or load_settings()
    configure_logging(settings.logging)
    components = _components(settings)
    running = RunningRequests()
    app = FastAPIOffline(
        title=about.NAME,
        description=about.DESCRIPTION,
        version="1",
        # Its target would be made of the Host header, which the client writes.
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        lifespan=_lifespan(components, running),
        middleware=stack(
            settings, limiter=components.limiter, metrics=components.metrics, running=running
        ),
    )
    app.state.components = components
    components.metrics.watch_running_requests(lambda: running.count)
    problems.install(app)
    openapi.install(app)
    app.include_router(pages.start_page)
    if settings.environment == "dev":
        app.include_router(pages.link_pages)
    app.include_router(health.router)
    app.include_router(metrics.router)
    for router in routers():
        app.include_router(router, prefix=API_PREFIX)
    return app


def _components(settings: Settings) -> Components:
    metrics = Metrics()
    database = Database(settings.database, observe=metrics.observe_query)
    derived_tokens = DerivedTokens(settings.auth)
    limiter = create_rate_limiter(settings, secret=derived_tokens.key("rate-limit"))
    metrics.watch_pool(database.pool)
    metrics.watch_rate_limiter(limiter)
    return Components(
        settings=settings,
        database=database,
        access_tokens=AccessTokens(settings.auth),
        passwords=Passwords(settings.auth),
        derived_tokens=derived_tokens,
        limiter=limiter,
        metrics=metrics,
        tenant_strategy=TenantStrategy(),
    )


def _lifespan(components: Components, running: RunningRequests) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await components.database.check_server()
        yield
        running.begin_drain()
        await running.finished(components.settings.http.drain_timeout)
        await components.limiter.close()
        components.passwords.close()
        await components.database.close()

    return lifespan


def _operation_id(route: APIRoute) -> str:
    return route.name
