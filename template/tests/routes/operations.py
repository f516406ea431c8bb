"""What the OpenAPI document says of each route."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant

from tests.routes.requests import ROUTES, Call


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request carries text."""

    part: str
    """`path`, `query`, `header` or `body`."""
    name: str
    within: str = ""
    """The member of the object `name` that is the text, if `name` is an object that clients choose freely."""
    secret: bool = False

    def value(self, text: str) -> Any:
        """Return what `name` is, to say `text` there."""
        return {self.within: text} if self.within else text

    def saying(self, call: Call, text: str) -> Call:
        """Return the request with this text here."""
        if self.part == "body":
            return call.adding({self.name: self.value(text)})
        if self.part == "query":
            return replace(call, query={**call.query, self.name: text})
        if self.part == "header":
            return replace(call, headers={**call.headers, self.name: text})
        return replace(call, path={**call.path, self.name: text})


class Operation:
    """What the OpenAPI document says of a route."""

    def __init__(self, app: FastAPI, name: str) -> None:
        document = app.openapi()
        self._name = name
        self._schemas = document.get("components", {}).get("schemas", {})
        described = (
            operation
            for path in document["paths"].values()
            for operation in path.values()
            if operation["operationId"] == name
        )
        # A route may be left out of the document.
        self._described: dict[str, Any] = next(described, {"responses": {}})

    def fields(self) -> dict[str, Any]:
        """Return the schemas of the body's members; empty without a body or with one that is no object."""
        fields: dict[str, Any] = self.body().get("properties", {})
        return {name: self._resolved(schema) for name, schema in fields.items()}

    def body(self) -> dict[str, Any]:
        """Return the schema of the body, JSON or a form."""
        content = self._described.get("requestBody", {}).get("content", {})
        described: dict[str, Any] = next(iter(content.values()), {})
        return self._resolved(described.get("schema", {}))

    def parameter(self, name: str) -> dict[str, Any]:
        """Return the schema of a parameter; empty if the document leaves it out."""
        found = [p for p in self._described.get("parameters", ()) if p["name"] == name]
        return self._resolved(found[0]["schema"]) if found else {}

    def parameters(self) -> list[tuple[Place, dict[str, Any]]]:
        """Return the places of the route's own parameters, and their schemas."""
        route = ROUTES[self._name]
        headers = set(_headers_of(route.dependant))
        return [
            (Place(parameter["in"], parameter["name"]), self._resolved(parameter["schema"]))
            for parameter in self._described.get("parameters", ())
            # What names the tenant is not the route's own.
            if parameter["in"] == "query"
            or parameter["name"] in headers
            or parameter["name"] in route.param_convertors
        ]

    def texts(self) -> list[Place]:
        """Return every place of a string."""
        found = [
            place
            for place, schema in self.parameters()
            if place.part != "header" and schema.get("type") == "string"
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
        for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            return self._resolved(choice)
        return schema


def _headers_of(dependant: Dependant) -> Iterator[str]:
    for field in dependant.header_params:
        yield field.alias
    for sub in dependant.dependencies:
        yield from _headers_of(sub)
