"""A request for each route that succeeds.

The caller is whom the route asks for; ids in the path are of what the POST above it makes; the body is made from its
schema. Where that does not do, a function in a `REQUESTS` of this folder says what to send.
"""

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI
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
from tests.lifespan import started
from tests.routes.tables import table
from tests.sending import send

ROUTES: Final = {
    route.name: route
    for router in routers()
    for route in router.routes
    if isinstance(route, APIRoute)
}

type Prepare = Callable[["World"], Awaitable["Asked"]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request names and carries."""

    path: Mapping[str, object] = field(default_factory=dict)
    """Values of the path's parameters."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """`None`: made from the route's schema."""
    caller: SignedIn | None = None
    """`None`: whom the route asks for."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a route, with all that it needs."""

    client: httpx.AsyncClient
    route: APIRoute
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    token: str | None
    tenant: str | None
    """The one that it names."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Beside those of every request."""

    def by(self, caller: SignedIn) -> "Call":
        """Return the same request of somebody else, for the tenant of that session."""
        return replace(self, token=caller.token, tenant=caller.tenant)

    def adding(self, members: Mapping[str, Any]) -> "Call":
        """Return it with more in its body, or with others there."""
        return replace(self, body={**self.body, **members})

    async def send(self) -> httpx.Response:
        """Send it as it is, half a surrogate pair too: in JSON as an escape, elsewhere as bytes that are no UTF-8."""
        method = min(self.route.methods or {"GET"})
        query = urlencode(self.query, errors="surrogatepass")
        path = f"{self._path()}?{query}" if query else self._path()
        if self.body is None:
            return await self._sent(method, path)
        headers = {"Content-Type": "application/json"}
        return await self._sent(method, path, headers, content=json.dumps(self.body))

    async def read_back(self, answered: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what a GET says of what this has made or changed; `None` if there is no route for it."""
        is_post = self.route.methods == {"POST"}
        if self.token is None or (is_post and "id" not in answered):
            return None
        path = f"{self._path()}/{answered['id']}" if is_post else self._path()
        answer = await self._sent("GET", path)
        found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return found

    def _path(self) -> str:
        values = {
            name: quote(value, safe="", errors="surrogatepass") for name, value in self.path.items()
        }
        return self.route.path_format.format(**values)

    async def _sent(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        known = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        all_headers = {**known, **self.headers, **(headers or {})}
        return await send(
            self.client, method, path, tenant=self.tenant, headers=all_headers, **options
        )


@dataclass(frozen=True, slots=True)
class World:
    """Whom and what requests are about."""

    app: FastAPI
    client: httpx.AsyncClient
    factory: Factory
    owner: SignedIn
    """Of a standing tenant."""
    user: SignedIn
    """In the lobby, with a verified address."""
    superuser: SignedIn
    mark: str = ""
    """How each text begins that is made up for a body."""

    @classmethod
    async def of(cls, app: FastAPI, client: httpx.AsyncClient, factory: Factory) -> "World":
        """Return people of acme, of the lobby and of the platform."""
        return cls(
            app,
            client,
            factory,
            await factory.member("acme", Role.OWNER),
            await factory.signed_in(),
            await factory.signed_in(superuser=True),
        )

    @property
    def components(self) -> Components:
        """What the application is made of."""
        components: Components = self.app.state.components
        return components

    async def tenant(self, status: TenantStatus = TenantStatus.READY) -> tuple[Tenant, SignedIn]:
        """Return a tenant of its own, without a schema, and its owner."""
        tenant = await self.factory.tenant(status=status)
        return tenant, await self.factory.member(tenant.slug, Role.OWNER)

    async def prepare(self, name: str, within: Mapping[str, str] | None = None) -> Call:
        """Make all that a request for a route needs, and return it; `within` are values for its path that are made already."""
        route = ROUTES[name]
        requests: dict[str, Prepare] = table("REQUESTS")
        asked = await requests[name](self) if name in requests else Asked()
        caller = asked.caller or self._caller(route)
        return Call(
            self.client,
            route,
            path=await self._path(route, {**asked.path, **(within or {})}),
            query=asked.query,
            headers=asked.headers,
            body=asked.body if asked.body is not None else body_of(route, self.mark),
            token=caller.token if caller else None,
            tenant=caller.tenant if caller else None,
        )

    def assumed(self, call: Call) -> Call:
        """Return the same request of the superuser, who assumes its caller's identity."""
        tokens = self.components.access_tokens
        claims = tokens.verify(call.token or self.user.token)
        token, _ = tokens.issue(
            user_id=claims.user_id,
            session_id=self.superuser.session_id,
            actor_id=self.superuser.user_id,
            tenant_id=claims.tenant_id,
            tenant_slug=claims.tenant_slug,
            role=claims.role,
        )
        return replace(call, token=token)

    def _caller(self, route: APIRoute) -> SignedIn | None:
        demanded = requirement_of(route)
        if demanded is None or not demanded.user:
            return None
        if demanded.superuser:
            return self.superuser
        return self.owner if demanded.tenant else self.user

    async def _path(self, route: APIRoute, known: Mapping[str, object]) -> dict[str, str]:
        values = {name: str(value) for name, value in known.items()}
        # From the left: what is nested is made in the row that the path has named before.
        for name in [name for name in route.param_convertors if name not in values]:
            collection = route.path_format.partition(f"/{{{name}}}")[0]
            values[name] = await self.made_in(collection, values) or str(uuid4())
        return values

    async def made_in(self, collection: str, values: Mapping[str, str] | None = None) -> str | None:
        """Return the id of what the POST to a path has just made; `None` without such a route.

        `values` are of the parameters in that path.
        """
        for name, route in ROUTES.items():
            if route.path_format == collection and "POST" in (route.methods or ()):
                within = {n: v for n, v in (values or {}).items() if n in route.param_convertors}
                made = await (await self.prepare(name, within)).send()
                return str(made.raise_for_status().json()["id"])
        return None


@asynccontextmanager
async def world_of(settings: Settings) -> AsyncIterator[World]:
    """Yield the world of a running application with these settings."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        started(app),
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
    ):
        yield await World.of(app, client, Factory(app.state.components, client))


def schema_of(route: APIRoute) -> dict[str, Any]:
    """Return the JSON schema of a route's body; empty without one."""
    if route.body_field is None:
        return {}
    body: TypeAdapter[Any] = TypeAdapter(route.body_field.field_info.annotation or Any)
    return body.json_schema()


def body_of(route: APIRoute, mark: str = "") -> Any:
    """Return a body that fits the schema; `None` where there is none."""
    schema = schema_of(route)
    return _value("", schema, schema.get("$defs", {}), mark) if schema else None


def _value(name: str, schema: dict[str, Any], definitions: dict[str, Any], mark: str) -> Any:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", ()):
        return _value(name, choice, definitions, mark)
    if "enum" in schema:
        # Of roles, the least: what only the mightiest may ask for would be refused for another reason.
        return schema["enum"][-1]
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            names = schema.get("required") or fields
            return {name: _value(name, fields[name], definitions, mark) for name in names}
        case "string":
            return _text(name, schema, mark)
    simple: dict[Any, Any] = {"boolean": True, "array": []}
    return simple.get(schema.get("type"), schema.get("minimum", 1))


def _text(name: str, schema: dict[str, Any], mark: str) -> str:
    unique = mark + secrets.token_hex(6)
    if len(unique) > schema.get("maxLength", len(unique)):
        unique = secrets.token_hex(6)
    if "email" in name:
        return f"{unique}@example.test"
    formats = {
        "uuid": str(UUID(bytes=secrets.token_bytes(16))),
        "date": "2030-01-01",
        "date-time": "2030-01-01T00:00:00Z",
    }
    return formats.get(schema.get("format", ""), unique.ljust(schema.get("minLength", 0), "x"))
