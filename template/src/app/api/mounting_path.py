"""Where the routes of `api/v1` are served."""

from typing import Final

from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import BaseRoute

from app.api.context.tenant_path import TENANT_PREFIX
from app.api.dependencies.requirements import requirement_of
from app.api.routing import APIRouter
from app.api.v1 import routers

API_PREFIX: Final = "/api/v1"


def mount(app: FastAPI) -> None:
    """Serve the lobby's routes below `/api/v1` and those of tenants below `/t/{tenant}/api/v1`.

    Without a tenant in its path, a tenant's route answers that it needs one.
    """
    for router in routers():
        lobby, tenants = (_part(router, of_tenants=each) for each in (False, True))
        app.include_router(lobby, prefix=API_PREFIX)
        app.include_router(tenants, prefix=f"{TENANT_PREFIX}{API_PREFIX}")
        app.include_router(tenants, prefix=API_PREFIX, include_in_schema=False)


def _part(router: APIRouter, *, of_tenants: bool) -> APIRouter:
    routes = [route for route in router.routes if _is_of_tenants(route) is of_tenants]
    return APIRouter(prefix=router.prefix, routes=routes)


def _is_of_tenants(route: BaseRoute) -> bool:
    required = requirement_of(route) if isinstance(route, APIRoute | APIWebSocketRoute) else None
    return required is not None and required.tenant
