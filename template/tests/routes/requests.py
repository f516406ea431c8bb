"""A request for each route that succeeds.

The caller is whom the route asks for. Body, query, headers and cookies are made from their schemas, as far as they are
required; ids are of rows that other routes make. What that cannot know is said in a `REQUESTS` (`tests/routes/tables.py`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import UUID

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from sqlmodel import SQLModel
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.api.dependencies.components import Components
from app.api.dependencies.requirements import requirement_of
from app.api.v1 import routers
from app.core.roles import Role
from app.core.settings import Settings
from app.main import create_app
from app.models.public.tenants import Tenant, TenantStatus
from tests.factories import Factory, SignedIn
from tests.lifespan import started
from tests.routes.bodies import Part, Route, body_of, encoded, parameters_of
from tests.routes.references import maker_of, referred_to, snake_case
from tests.routes.tables import table
from tests.sending import send
from tests.sockets import answer_of, greeting_of, left_early, opened

ROUTES: Final = {
    route.name: route
    for router in routers()
    for route in router.routes
    if isinstance(route, APIRoute)
}
SOCKETS: Final = {
    route.name: route
    for router in routers()
    for route in router.routes
    if isinstance(route, APIWebSocketRoute)
}
ALL: Final[dict[str, Route]] = {**ROUTES, **SOCKETS}

_LEFT_OUT: Final = object()

type Prepare = Callable[["World"], Awaitable["Asked"]]
type Sign = Callable[[bytes], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request names and carries; what is left out is made up."""

    path: Mapping[str, object] = field(default_factory=dict)
    """Values of the path's parameters."""
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, object] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Members of a body whose others are made up. A file is `bytes`, or `(name, bytes, media type)`."""
    body: Any = None
    """The whole body: JSON, the fields of a form, or `bytes` that are sent as they are."""
    sign: Sign | None = None
    """Returns headers for the bytes of a body, such as a signature."""
    caller: SignedIn | None = None
    """`None`: whom the route asks for."""


class Uncallable(Exception):
    """A route refuses the request that was made up for it."""

    def __init__(self, name: str, answer: httpx.Response) -> None:
        self.name = name
        self.answer = answer
        super().__init__(f"{name} answers {answer.status_code}: {answer.text[:2000]}")


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a route, with all that it needs."""

    client: httpx.AsyncClient
    route: Any
    """An `APIRoute`, or an `APIWebSocketRoute`."""
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    token: str | None
    tenant: str | None
    """The one that it names."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Beside those of every request."""
    sign: Sign | None = None

    def by(self, caller: SignedIn) -> "Call":
        """Return the same request of somebody else, for the tenant of that session."""
        return replace(self, token=caller.token, tenant=caller.tenant)

    def adding(self, members: Mapping[str, Any]) -> "Call":
        """Return it with more in its body, or with others there, if that is an object."""
        return replace(self, body={**self.body, **members}) if isinstance(self.body, dict) else self

    async def send(self) -> httpx.Response:
        """Send it as it is, half a surrogate pair too: in JSON as an escape, elsewhere as bytes that are no UTF-8."""
        method = min(self.route.methods or {"GET"})
        query = urlencode(self.query, errors="surrogatepass", doseq=True)
        path = f"{self._path()}?{query}" if query else self._path()
        content, media = encoded(self.route, self.body)
        signature = self.sign(content or b"") if self.sign else {}
        return await self._sent(method, path, media, self.headers, signature, content=content)

    async def read_back(self, answered: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return what a GET says of what this has made or changed; `None` if there is no route for it."""
        is_post = self.route.methods == {"POST"}
        if self.token is None or (is_post and "id" not in answered):
            return None
        path = f"{self._path()}/{answered['id']}" if is_post else self._path()
        answer = await self._sent("GET", path, self.headers)
        return shown_by(answer) if answer.status_code == 200 else None

    def _path(self) -> str:
        values = {
            name: quote(value, safe="", errors="surrogatepass") for name, value in self.path.items()
        }
        filled: str = self.route.path_format.format(**values)
        return filled

    async def _sent(
        self, method: str, path: str, *headers: Mapping[str, str], **options: Any
    ) -> httpx.Response:
        known = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        merged = httpx.Headers(known)
        for each in headers:
            merged.update(each)
        return await send(
            self.client, method, path, tenant=self.tenant, headers=dict(merged), **options
        )


@dataclass(frozen=True, slots=True)
class Handshake(Call):
    """The same for a socket, of a service that listens on this machine."""

    port: int = 0

    async def send(self) -> httpx.Response:
        """Open and close it; return how that is refused, or what comes first."""
        options: dict[str, Any] = {"tenant": self.tenant, "token": self.token}
        try:
            async with opened(self.port, self._path(), headers=dict(self.headers), **options) as it:
                if self.token is None:
                    await it.send("no token")
                    return await answer_of(it)
                return httpx.Response(200, content=await greeting_of(it))
        except ConnectionClosed:
            return await answer_of(it)
        except InvalidStatus as refused:
            told = refused.response
            headers = [*told.headers.raw_items()]
            return httpx.Response(told.status_code, headers=headers, content=bytes(told.body))

    def _path(self) -> str:
        path = Call._path(self)
        return f"{path}?{urlencode(self.query)}" if self.query else path


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
    _making: frozenset[str] = frozenset()
    """Routes whose requests wait for a row: one that refers to its own kind is made without."""

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

    async def add[M: SQLModel](self, row: M) -> M:
        """Insert a row of the owner's tenant that no route makes."""
        async with self.components.database.tenant(self._tenant_id) as session:
            await session.add(row)
        return row

    async def prepare(self, name: str, path: Mapping[str, object] | None = None) -> Call:
        """Make all that a request for a route needs, and return it; `path` has values of its parameters.

        Raises:
            Uncallable: a route that makes a row for it refuses.
        """
        return await self._prepared(name, ROUTES[name], path)

    async def prepare_socket(self, name: str, port: int) -> "Handshake":
        """Make all that a handshake for a socket needs, and return it for a server on `port`."""
        call = await self._prepared(name, SOCKETS[name])
        return Handshake(
            **{each.name: getattr(call, each.name) for each in fields(call)}, port=port
        )

    async def _prepared(
        self,
        name: str,
        route: Route,
        path: Mapping[str, object] | None = None,
    ) -> Call:
        said = table("REQUESTS").get(name, Asked())
        asked: Asked = said if isinstance(said, Asked) else await said(self)
        caller = asked.caller or self._caller(route)
        world = await self._for(name, caller)
        parts = {part: await world._named(route, part) for part in ("query", "header", "cookie")}
        cookies = {**parts["cookie"], **asked.cookies}
        if cookies:
            parts["header"]["Cookie"] = "; ".join(f"{key}={cookies[key]}" for key in cookies)
        body = asked.body
        if body is None:
            body = await world._with_rows(body_of(route, self.mark), route, known=asked.fields)
        return Call(
            self.client,
            route,
            path=await world._path(route, {**(path or {}), **asked.path}),
            query={key: _text(value) for key, value in {**parts["query"], **asked.query}.items()},
            headers={**parts["header"], **asked.headers},
            body=body,
            token=caller.token if caller else None,
            tenant=caller.tenant if caller else None,
            sign=asked.sign,
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

    def _caller(self, route: Route) -> SignedIn | None:
        demanded = requirement_of(route)
        if demanded is None or not demanded.user:
            return None
        if demanded.superuser:
            return self.superuser
        return self.owner if demanded.tenant else self.user

    async def _for(self, name: str, caller: SignedIn | None) -> "World":
        """Return the world that makes what the request of a caller needs."""
        owner = self.owner
        if caller and caller.tenant not in {None, owner.tenant}:
            owner = await self.factory.member(str(caller.tenant), Role.OWNER)
        return replace(self, owner=owner, _making=self._making | {name})

    async def _named(self, route: Route, part: Part) -> dict[str, str]:
        values = await self._with_rows(dict(parameters_of(route, part, self.mark)), route)
        return {name: _text(value) for name, value in values.items()}

    async def _path(self, route: Route, known: Mapping[str, object]) -> dict[str, str]:
        values = {name: str(value) for name, value in known.items()}
        made_up = dict(parameters_of(route, "path", self.mark))
        # The last first: what is made for it is of those before it.
        for name in reversed(route.param_convertors):
            if name not in values:
                maker = post_to(route.path_format.partition(f"/{{{name}}}")[0])
                made = await self._made(maker, name, values) if maker else None
                if made is not None:
                    call, key = made
                    values = {**call.path, **values, name: str(key)}
                else:
                    value = await self._with_rows({name: made_up[name]}, route)
                    values[name] = _text(value.get(name, made_up[name]))
        return values

    async def _with_rows(
        self, value: Any, route: Route, name: str = "", known: Mapping[str, Any] | None = None
    ) -> Any:
        """Return what was made up, with ids of rows where it refers to some."""
        if isinstance(value, dict):
            known = known or {}
            found = {
                key: await self._with_rows(each, route, key)
                for key, each in value.items()
                if key not in known
            }
            return {**{k: v for k, v in found.items() if v is not _LEFT_OUT}, **known}
        if isinstance(value, list):
            return [await self._with_rows(each, route, name) for each in value]
        refers_to = referred_to(name, route.path_format)
        if refers_to is None or not (refers_to.is_declared or _is_id(value)):
            return value
        if refers_to.table in {"users", "tenants"}:
            return str(self.owner.user_id if refers_to.table == "users" else self._tenant_id)
        maker = maker_of(refers_to.table, ROUTES)
        if maker in self._making:
            return _LEFT_OUT
        made = await self._made(maker, refers_to.column) if maker else None
        return made[1] if made else value

    async def made_in(self, collection: str) -> str | None:
        """Return the id of what the POST to a path has just made; `None` without such a route."""
        maker = post_to(collection)
        made = await self._made(maker, "id") if maker else None
        return str(made[1]) if made else None

    async def _made(
        self, maker: str, name: str, path: Mapping[str, object] | None = None
    ) -> tuple[Call, Any] | None:
        """Return the request that has made a row, and the row's `name` or id."""
        call = await self.prepare(maker, path)
        answer = await call.send()
        if answer.is_error:
            raise Uncallable(maker, answer)
        said = {snake_case(key): value for key, value in shown_by(answer).items()}
        words = snake_case(name).split("_")
        # `category_code`, `code`, `id`.
        names = ["_".join(words[n:]) for n in range(len(words))]
        return next(((call, said[each]) for each in (*names, "id") if each in said), None)

    @property
    def _tenant_id(self) -> UUID:
        found = self.components.access_tokens.verify(self.owner.token).tenant_id
        assert found is not None
        return found


@asynccontextmanager
async def world_of(settings: Settings) -> AsyncIterator[World]:
    """Yield the world of a running application with these settings."""
    app = create_app(settings)
    transport = httpx.ASGITransport(left_early(app), raise_app_exceptions=False)
    async with (
        started(app),
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
    ):
        yield await World.of(app, client, Factory(app.state.components, client))


def shown_by(answer: httpx.Response) -> Mapping[str, Any]:
    """Return the object that an answer shows; nothing of another one."""
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    shown = answer.json() if is_json and answer.content else {}
    return shown if isinstance(shown, dict) else {}


def post_to(path: str) -> str | None:
    """Return the name of the route that makes what a path lists."""
    made = (n for n, r in ROUTES.items() if r.path_format == path and "POST" in (r.methods or ()))
    return next(made, None)


def _text(value: Any) -> Any:
    """Return how a parameter is written: of a list each item."""
    if isinstance(value, list):
        return [_text(each) for each in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_id(value: Any) -> bool:
    try:
        return isinstance(value, int) or bool(UUID(value))
    except (TypeError, ValueError):
        return False
