"""Routes that admit the caller, and end the transaction, around all that FastAPI does (ADR 0020)."""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from inspect import isasyncgenfunction
from types import ModuleType
from typing import Any

import fastapi
from fastapi import Depends, Request, Response, params
from fastapi.routing import APIRoute, APIWebSocketRoute
from fastapi.sse import EventSourceResponse
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from app.api.dependencies.admission import UNIT, admit, identify
from app.api.dependencies.components import Components
from app.api.dependencies.requirements import calls_of, requirement_of
from app.api.live import (
    EVENTS,
    EventStream,
    ending_with_a_problem,
    seat_of,
    seated,
    unfit_for_long,
)
from app.api.query_numbers import require_plain_numbers
from app.api.sockets import admitted_socket, unfit_for_a_socket
from app.core.errors import BadRequest

type Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class AdmittingRoute(APIRoute):
    """Admits the caller, resolves dependencies, runs the endpoint and serialises what it returns in one transaction.

    That commits, or rolls back, before the response is sent. Of a stream of events it ends with the admission.
    """

    detached = False
    """Whether the transaction ends with the admission on every route of the class."""

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        return self.admitting(require_plain_numbers(self.dependant, super().get_route_handler()))

    elsewhere: tuple[Mapping[str, str], ...] = ()
    """Values of path parameters with which a path is another route's, whatever its method."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether the route answers: not on a path that another one has word for word."""
        match, child = super().matches(scope)
        values = child.get("path_params", {}).items()
        if any(words.items() <= values for words in self.elsewhere):
            return Match.NONE, {}
        return match, child

    def admitting(self, handle: Handler) -> Handler:
        """Return `handle` with admission and transaction around it."""
        required = requirement_of(self)
        detached = self.detached or self.is_sse_stream
        if self.is_sse_stream:
            handle = seated(handle)

        async def answer(request: Request) -> Response:
            identify(request, required)
            await self.read_body(request)
            components: Components = request.app.state.components
            async with components.database.unit() as unit:
                await admit(request, unit, required)
                response = None if detached else await _within(request, handle)
            if response is None:
                # A session that is asked for all the same is an error, not a transaction that nobody ends.
                del request.scope["state"][UNIT]
                response = await handle(request)
            if response.media_type == EVENTS and not self.is_sse_stream:
                return EventStream(request, response, seat_of(request))
            return response

        return answer

    async def read_body(self, request: Request) -> None:
        """Read it before a connection is taken: a client that sends it slowly keeps none waiting.

        Each file of a form is kept on disk beyond 1 MiB, and closed after the response.

        Raises:
            BadRequest: the client hung up, or the body is no form.
        """
        if self.body_field is None:
            return
        try:
            if isinstance(self.body_field.field_info, params.Form):
                await self._read_form(request)
            else:
                await request.body()
        except ClientDisconnect:
            raise BadRequest("The body ended too early.") from None
        except ValueError as exc:
            raise BadRequest("The body is not a form.") from exc

    async def _read_form(self, request: Request) -> None:
        # FastAPI finds it parsed. It would read it later, and close nothing if admission refuses the caller.
        request.scope["fastapi_middleware_astack"].push_async_callback(request.close)
        limits: dict[str, Any] = request.scope["fastapi"].get("form_limits", {})
        await request.form(**{**limits, **self.form_limits})


async def _within(request: Request, handle: Handler) -> Response:
    # FastAPI's own stack ends after the commit: what a dependency of `scope="function"` writes after its `yield`
    # would be lost.
    async with AsyncExitStack() as stack:
        request.scope["fastapi_function_astack"] = stack
        return await handle(request)


class APIRouter(fastapi.APIRouter):
    """FastAPI's router, for the routes of `api/v1`."""

    def __init__(self, *, route_class: type[APIRoute] = AdmittingRoute, **options: Any) -> None:
        super().__init__(route_class=route_class, **options)

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Add the route; a stream of events ends with a problem where others answer with one."""
        response = options.get("response_class")
        is_stream = isinstance(response, type) and issubclass(response, EventSourceResponse)
        if is_stream and isasyncgenfunction(endpoint):
            endpoint = ending_with_a_problem(endpoint)
        super().add_api_route(path, endpoint, **options)

    def add_api_websocket_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        name: str | None = None,
        *,
        dependencies: Sequence[params.Depends] | None = None,
    ) -> None:
        """Add the socket, which admits its caller first."""
        own, self.dependencies = self.dependencies, []
        every = [Depends(admitted_socket), *own, *(dependencies or ())]
        super().add_api_websocket_route(path, endpoint, name, dependencies=every)
        self.dependencies = own

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether a route of this router answers, without trying each where none can."""
        # As far as it is the same in every path: a parameter is not.
        if self.prefix.partition("{")[0] not in scope["path"]:
            return Match.NONE, {}
        return super().matches(scope)


def keep_apart(routers: Iterable[APIRouter]) -> None:
    """Let `/invites/lookup` be that route's alone: `GET` there is not `/invites/{invite_id}`, but 405."""
    routes = [
        route for router in routers for route in router.routes if isinstance(route, AdmittingRoute)
    ]
    for route in routes:
        found = (_words(route.path_format, other.path_format) for other in routes)
        route.elsewhere = tuple(words for words in found if words)


def _words(path: str, other: str) -> dict[str, str]:
    ours, theirs = path.split("/"), other.split("/")
    differing = [pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]]
    if len(ours) != len(theirs) or not all(part.startswith("{") for part, _ in differing):
        return {}
    return {part[1:-1]: word for part, word in differing if not word.startswith("{")}


class PageRouter(fastapi.APIRouter):
    """FastAPI's router, for pages and probes: HEAD answers as GET does, without the body (RFC 9110, 9.3.2)."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Add the route, and one for HEAD beside one for GET."""
        super().add_api_route(path, endpoint, **options)
        if "GET" in (options.get("methods") or ("GET",)):
            hidden = {**options, "methods": ["HEAD"], "include_in_schema": False}
            super().add_api_route(path, endpoint, **hidden)


def answer_head(app: fastapi.FastAPI) -> None:
    """Let the pages that FastAPI itself has added, those of the documentation, answer HEAD."""
    for route in app.router.routes:
        if isinstance(route, APIRoute) and route.methods and "GET" in route.methods:
            route.methods.add("HEAD")


def router_of(module: ModuleType) -> APIRouter:
    """Return a module's `router`.

    Raises:
        TypeError: it has a route that would answer without asking who calls, or one with several methods. The message
            says what to write instead.
    """
    router = module.router
    if not isinstance(router, APIRouter):
        raise TypeError(f"{module.__name__}: import APIRouter from app.api.routing")
    for route in router.routes:
        unfit = _unfit(route)
        if unfit is not None:
            raise TypeError(f"{module.__name__}: {unfit}")
    return router


def _unfit(route: BaseRoute) -> str | None:
    if isinstance(route, APIWebSocketRoute):
        return unfit_for_a_socket(route)
    if isinstance(route, AdmittingRoute):
        if len(route.methods or ()) > 1:
            return f"{route.path} has several methods, whose operations OpenAPI would name alike: write a route for each."
        streams = route.is_sse_stream
        return unfit_for_long(route.path, calls_of(route.dependant)) if streams else None
    what = getattr(route, "path", None) or "a router inside the router"
    return (
        f"{what} would admit nobody. Only routes of the router itself are admitted:"
        " give a nested router a module of its own in api/v1, with the whole prefix."
    )
