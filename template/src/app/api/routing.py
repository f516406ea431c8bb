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

from app.api.dependencies.admission import admit
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
        return self.admitting(super().get_route_handler())

    def admitting(self, handle: Handler) -> Handler:
        """Return `handle` with admission and transaction around it."""
        required = requirement_of(self)

        async def answer(request: Request) -> Response:
            await self.read_body(request)
            components: Components = request.app.state.components
            async with components.database.unit() as unit:
                await admit(request, unit, required)
                return await handle(request)

        return answer

    async def read_body(self, request: Request) -> None:
        """Read it before a connection is taken: a client that sends it slowly keeps none waiting.

        Raises:
            BadRequest: the client hung up.
        """
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
