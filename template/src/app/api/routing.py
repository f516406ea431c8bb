"""Routes that admit the caller, and end the transaction, around all that FastAPI does (ADR 0020)."""

from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Any

import fastapi
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Scope

from app.api.dependencies.admission import admit, release_unit
from app.api.dependencies.components import Components
from app.api.dependencies.requirements import requirement_of
from app.core.errors import BadRequest

type Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class AdmittingRoute(APIRoute):
    """Admits the caller, resolves dependencies, runs the endpoint and serialises what it returns in one transaction.

    That commits, or rolls back, before the response is sent.
    """

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        handle = super().get_route_handler()
        required = requirement_of(self)
        detached = required is not None and required.detached

        async def answer(request: Request) -> Response:
            await self._read_body(request)
            components: Components = request.app.state.components
            async with components.database.unit() as unit:
                await admit(request, unit, required)
                if not detached:
                    return await handle(request)
            release_unit(request)
            return await handle(request)

        return answer

    async def _read_body(self, request: Request) -> None:
        # Before a connection is taken: a client that sends it slowly keeps none waiting.
        if self.body_field is not None:
            try:
                await request.body()
            except ClientDisconnect:
                raise BadRequest("The body ended too early.") from None


class APIRouter(fastapi.APIRouter):
    """FastAPI's router, for the routes of `api/v1`."""

    def __init__(self, *, route_class: type[APIRoute] = AdmittingRoute, **options: Any) -> None:
        super().__init__(route_class=route_class, **options)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether a route of this router answers, without trying each where none can."""
        if self.prefix not in scope["path"]:
            return Match.NONE, {}
        return super().matches(scope)


def router_of(module: ModuleType) -> APIRouter:
    """Return a module's `router`.

    Raises:
        TypeError: it is FastAPI's own, whose routes would admit nobody.
    """
    router = module.router
    if not isinstance(router, APIRouter):
        raise TypeError(f"{module.__name__}: import APIRouter from app.api.routing")
    return router
