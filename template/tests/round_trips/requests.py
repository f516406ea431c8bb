"""A request for each route that succeeds.

The caller is whom the route asks for; ids in the path are of what the POST above it makes; the body is made from its
schema. Where that does not do, a function in a `REQUESTS` of this folder says what to send.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from app.api.dependencies.components import Components
from app.api.dependencies.requirements import requirement_of
from app.api.v1 import routers
from app.core.roles import Role
from app.core.settings import Settings
from app.main import create_app
from app.models.public.tenants import Tenant, TenantStatus
from tests.factories import Factory, SignedIn

ROUTES: Final = {
    route.name: route
    for router in routers()
    for route in router.routes
    if isinstance(route, APIRoute)
}

type Send = Callable[[], Awaitable[httpx.Response]]
type Prepare = Callable[["World"], Awaitable["Asked"]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request names and carries."""

    path: Mapping[str, object] = field(default_factory=dict)
    """Values of the path's parameters."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """`None`: made from the route's schema."""
    caller: SignedIn | None = None
    """`None`: whom the route asks for."""


@dataclass(frozen=True, slots=True)
class World:
    """Whom and what requests are about."""

    components: Components
    client: httpx.AsyncClient
    factory: Factory
    owner: SignedIn
    """Of the standing tenant `acme`."""
    user: SignedIn
    """In the lobby, with a verified address."""
    superuser: SignedIn

    async def tenant(self, status: TenantStatus = TenantStatus.READY) -> tuple[Tenant, SignedIn]:
        """Return a tenant of its own, without a schema, and its owner."""
        tenant = await self.factory.tenant(status=status)
        return tenant, await self.factory.member(tenant.slug, Role.OWNER)

    async def prepare(self, name: str, requests: Mapping[str, Prepare]) -> Send:
        """Make all that a request for a route needs, and return what sends it."""
        route = ROUTES[name]
        asked = await requests[name](self) if name in requests else Asked()
        method = min(route.methods or {"GET"})
        caller = asked.caller or self._caller(route)
        path = await self._path(route, asked, requests)
        body = asked.body if asked.body is not None else _body(route)
        options: dict[str, Any] = {"params": asked.query} | ({} if body is None else {"json": body})
        if caller is None:
            return partial(self.client.request, method, f"/api/v1{path}", **options)
        return partial(caller.call, method, path, **options)

    def _caller(self, route: APIRoute) -> SignedIn | None:
        demanded = requirement_of(route)
        if demanded is None or not demanded.user:
            return None
        if demanded.superuser:
            return self.superuser
        return self.owner if demanded.tenant else self.user

    async def _path(self, route: APIRoute, asked: Asked, requests: Mapping[str, Prepare]) -> str:
        values = {name: str(value) for name, value in asked.path.items()}
        for name in route.param_convertors.keys() - values.keys():
            values[name] = await self._made_above(route, name, requests)
        return route.path_format.format(**values)

    async def _made_above(
        self, route: APIRoute, parameter: str, requests: Mapping[str, Prepare]
    ) -> str:
        collection = route.path_format.partition(f"/{{{parameter}}}")[0]
        for name, above in ROUTES.items():
            if above.path_format == collection and "POST" in (above.methods or ()):
                made = await (await self.prepare(name, requests))()
                return str(made.raise_for_status().json()["id"])
        return str(uuid4())


@asynccontextmanager
async def world_of(settings: Settings) -> AsyncIterator[World]:
    """Yield the world of a running application with these settings."""
    app = create_app(settings)
    components: Components = app.state.components
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
    ):
        factory = Factory(components, client)
        yield World(
            components,
            client,
            factory,
            await factory.member("acme", Role.OWNER),
            await factory.signed_in(),
            await factory.signed_in(superuser=True),
        )


def _body(route: APIRoute) -> Any:
    if route.body_field is None:
        return None
    body: TypeAdapter[Any] = TypeAdapter(route.body_field.field_info.annotation or Any)
    schema = body.json_schema()
    return _value("", schema, schema.get("$defs", {}))


def _value(name: str, schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", ()):
        return _value(name, choice, definitions)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            names = schema.get("required") or fields
            return {name: _value(name, fields[name], definitions) for name in names}
        case "string":
            return _text(name, schema)
    simple: dict[Any, Any] = {"boolean": True, "array": []}
    return simple.get(schema.get("type"), schema.get("minimum", 1))


def _text(name: str, schema: dict[str, Any]) -> str:
    unique = secrets.token_hex(6)
    if "email" in name:
        return f"{unique}@example.test"
    formats = {
        "uuid": str(UUID(bytes=secrets.token_bytes(16))),
        "date": "2030-01-01",
        "date-time": "2030-01-01T00:00:00Z",
    }
    return formats.get(schema.get("format", ""), unique.ljust(schema.get("minLength", 0), "x"))
