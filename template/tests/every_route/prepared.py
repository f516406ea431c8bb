"""A request for each route that succeeds, and that a test may change before it is sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import httpx
from fastapi import FastAPI

from app.core.roles import Role
from tests.factories import Factory, SignedIn
from tests.invites import address
from tests.round_trips.requests import ROUTES, Asked, World
from tests.round_trips.tables import table

__all__ = ["ROUTES", "Operation", "Place", "Prepared", "World", "prepared", "world_in"]


async def invite_a_member(_world: World) -> Asked:
    """Return an invite that not only an owner may send."""
    return Asked(body={"email": address(), "role": "member"})


REQUESTS: Final = table("REQUESTS") | {"create_invite": invite_a_member}


async def world_in(app: FastAPI, client: httpx.AsyncClient, factory: Factory) -> World:
    """Return the world of the application that all tests share."""
    return World(
        app.state.components,
        client,
        factory,
        await factory.member("acme", Role.OWNER),
        await factory.signed_in(),
        await factory.signed_in(superuser=True),
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request carries text."""

    part: str
    """`path`, `query` or `body`."""
    name: str
    within: str = ""
    """The member of the object `name` that is the text, if `name` is an object that clients choose freely."""
    secret: bool = False

    def value(self, text: str) -> Any:
        """Return what `name` is, to say `text` there."""
        return {self.within: text} if self.within else text


class Operation:
    """What the OpenAPI document says of a route."""

    def __init__(self, app: FastAPI, name: str) -> None:
        document = app.openapi()
        self._name = name
        self._schemas = document.get("components", {}).get("schemas", {})
        self._described = next(
            operation
            for path in document["paths"].values()
            for operation in path.values()
            if operation["operationId"] == name
        )

    def fields(self) -> dict[str, Any]:
        """Return the schemas of the body's members; empty without a body or with one that is no object."""
        fields: dict[str, Any] = self.body().get("properties", {})
        return {name: self._resolved(schema) for name, schema in fields.items()}

    def body(self) -> dict[str, Any]:
        """Return the schema of the body."""
        content = self._described.get("requestBody", {}).get("content", {})
        return self._resolved(content.get("application/json", {}).get("schema", {}))

    def texts(self) -> list[Place]:
        """Return every place of a string."""
        found = [
            Place(parameter["in"], parameter["name"])
            for parameter in self._described.get("parameters", ())
            # What names the tenant is not the route's own.
            if (
                parameter["in"] == "query"
                or parameter["name"] in ROUTES[self._name].param_convertors
            )
            and self._resolved(parameter["schema"]).get("type") == "string"
        ]
        for name, schema in self.fields().items():
            if schema.get("type") == "string":
                secret = schema.get("format") == "password"
                found.append(Place("body", name, secret=secret))
            elif schema.get("type") == "object" and "properties" not in schema:
                found.append(Place("body", name, within="text"))
        return found

    def documents(self, status: int, code: str) -> bool:
        """Tell whether a problem is documented."""
        response = self._described["responses"].get(str(status), {})
        return f"`{code}`" in response.get("description", "")

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            return self._resolved(self._schemas[schema["$ref"].rpartition("/")[2]])
        for choice in schema.get("anyOf", ()):
            return self._resolved(choice)
        return schema


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that has not been sent."""

    world: World
    name: str
    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    caller: SignedIn | None
    """`None`: nobody is signed in."""

    async def send(self) -> httpx.Response:
        """Send it as it is, half a surrogate pair too: in JSON as an escape, elsewhere as bytes that are no UTF-8."""
        query = urlencode(self.query, errors="surrogatepass")
        path = f"{self.path}?{query}" if query else self.path
        options: dict[str, Any] = {}
        if self.body is not None:
            options["content"] = json.dumps(self.body)
            options["headers"] = {"Content-Type": "application/json"}
        if self.caller is None:
            return await self.world.client.request(self.method, f"/api/v1{path}", **options)
        return await self.caller.call(self.method, path, **options)

    async def read_back(self, answered: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what a GET says of what this has made or changed; `None` if there is no route for it."""
        if self.caller is None or (self.method == "POST" and "id" not in answered):
            return None
        path = f"{self.path}/{answered['id']}" if self.method == "POST" else self.path
        answer = await self.caller.get(path)
        found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return found

    def by(self, caller: SignedIn) -> Self:
        """Return the same request of somebody else."""
        return replace(self, caller=caller)

    def at(self, client: httpx.AsyncClient) -> Self:
        """Return the same request to another service."""
        caller = replace(self.caller, client=client) if self.caller else None
        return replace(self, world=replace(self.world, client=client), caller=caller)

    def adding(self, members: Mapping[str, Any]) -> Self:
        """Return it with more in its body, or with others there."""
        return replace(self, body={**self.body, **members})

    def saying(self, place: Place, text: str) -> Self:
        """Return it with this text in a place."""
        if place.part == "query":
            return replace(self, query={**self.query, place.name: text})
        if place.part == "body":
            return self.adding({place.name: place.value(text)})
        route = ROUTES[self.name]
        values = _path_values(self)
        values[place.name] = text
        encoded = {
            name: quote(value, safe="", errors="surrogatepass") for name, value in values.items()
        }
        return replace(self, path=route.path_format.format(**encoded))


async def prepared(world: World, name: str) -> Prepared:
    """Return a request for a route that succeeds."""
    send = await world.prepare(name, REQUESTS)
    assert isinstance(send, partial)
    method, path = send.args
    called = getattr(send.func, "__self__", None)
    caller = called if isinstance(called, SignedIn) else None
    return Prepared(
        world,
        name,
        method,
        path if caller else path.removeprefix("/api/v1"),
        send.keywords["params"],
        send.keywords.get("json"),
        caller,
    )


def _path_values(request: Prepared) -> dict[str, str]:
    match = ROUTES[request.name].path_regex.match(request.path)
    assert match
    return dict(match.groupdict())
