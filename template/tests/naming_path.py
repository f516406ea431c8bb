"""A request to a tenant's route names the tenant in its path."""

from collections.abc import Callable
from functools import cache
from typing import Final
from urllib.parse import quote

from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import Match

from app.api import mounting_path
from app.api.dependencies.requirements import requirement_of
from app.api.routing import APIRouter

INSTEAD: Final[dict[str, str]] = {}
"""The sub-protocol with which a browser names the tenant of a socket, by the header that it cannot send."""
LOBBY: Final = (403, "tenant-mismatch")
"""How a route of a tenant refuses a token of the lobby."""


def addressed(method: str, path: str, tenant: str | None) -> tuple[str, dict[str, str]]:
    """Return the URL and the headers of a request to a route of `api/v1`."""
    of_tenant = tenant is not None and _is_of_tenants(method, path.partition("?")[0])
    return f"/t/{quote(tenant or '', safe='')}/api/v1{path}" if of_tenant else f"/api/v1{path}", {}


def _is_of_tenants(method: str, path: str) -> bool:
    kind = "websocket" if method == "WEBSOCKET" else "http"
    scope = {"type": kind, "method": method, "path": path}
    for route in _routes(vars(mounting_path)["routers"]):
        if route.matches(scope)[0] is Match.FULL:
            required = requirement_of(route)
            return required is not None and required.tenant
    return False


@cache
def _routes(routers: Callable[[], list[APIRouter]]) -> list[APIRoute | APIWebSocketRoute]:
    return [
        route
        for router in routers()
        for route in router.routes
        if isinstance(route, APIRoute | APIWebSocketRoute)
    ]
