"""What a route takes, by its parameters: values that fit, and a body's bytes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

import httpx
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIWebSocketRoute
from pydantic import TypeAdapter, ValidationError

from tests.routes.references import unique_numbers
from tests.routes.values import Values

type Route = APIRoute | APIWebSocketRoute
type Part = Literal["path", "query", "header", "cookie"]

_KNOWN: Final[dict[int, tuple[Any, TypeAdapter[Any], dict[str, Any]]]] = {}


def schema_of(route: Route) -> dict[str, Any]:
    """Return the JSON schema of a route's body; empty without one."""
    field = getattr(route, "body_field", None)
    return _described(field)[1] if field else {}


def body_of(route: Route, mark: str = "") -> Any:
    """Return a body that fits the schema; `None` where there is none. Where made-up values do not, examples may."""
    if isinstance(route, APIWebSocketRoute) or route.body_field is None:
        return None
    adapter, schema = _described(route.body_field)
    values = _values(schema, mark)
    body = values.of(schema)
    if "examples" in json.dumps(schema):
        try:
            adapter.validate_json(json.dumps(body))
        except (ValidationError, TypeError):
            return replace(values, by_example=True).of(schema)
    return body


def parameters_of(route: Route, part: Part, mark: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the parameters that a request has to name, and a value for each."""
    for field in _fields(route.dependant, part):
        if field.field_info.is_required():
            _, schema = _described(field)
            values = _values(schema, mark)
            if "properties" in schema:
                # One model for several parameters.
                required = {**schema, "required": schema.get("required", ["-"])}
                yield from values.of(required).items()
            else:
                yield field.alias, values.of(schema, field.alias)


def encoded(route: Route, body: Any) -> tuple[bytes | None, dict[str, str]]:
    """Return the bytes of a body as the route takes it, and the headers that say so."""
    if body is None or isinstance(body, bytes):
        return body, {}
    media = media_type_of(route).partition(";")[0]
    if media == "multipart/form-data":
        form = httpx.Request("POST", "http://testserver", files=list(_parts(body)))
        return form.read(), {"Content-Type": form.headers["Content-Type"]}
    if media == "application/x-www-form-urlencoded":
        return urlencode(body, errors="surrogatepass", doseq=True).encode(), {"Content-Type": media}
    return json.dumps(body, default=str).encode(), {"Content-Type": "application/json"}


def media_type_of(route: Route) -> str:
    """Return the media type in which a route takes its body."""
    info = getattr(getattr(route, "body_field", None), "field_info", None)
    media: str = getattr(info, "media_type", "application/json")
    return f"{media}; boundary=part" if media == "multipart/form-data" else media


def _described(field: Any) -> tuple[TypeAdapter[Any], dict[str, Any]]:
    if id(field) not in _KNOWN:
        info = field.field_info
        described: Any = info.annotation
        if info.metadata:
            described = Annotated[described, *info.metadata]
        adapter: TypeAdapter[Any] = TypeAdapter(described)
        # Keeping the field as well keeps its id from naming another one.
        _KNOWN[id(field)] = (field, adapter, adapter.json_schema())
    return _KNOWN[id(field)][1:]


def _fields(dependant: Dependant, part: Part) -> Iterator[Any]:
    yield from getattr(dependant, f"{part}_params")
    for sub in dependant.dependencies:
        yield from _fields(sub, part)


def _values(schema: dict[str, Any], mark: str) -> Values:
    return Values(schema.get("$defs", {}), mark, unique_numbers())


def _parts(body: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in body.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, bytes):
                yield name, (f"{name}.txt", each)
            elif isinstance(each, tuple):
                yield name, each
            elif each is not None:
                yield name, (None, str(each).encode(errors="surrogatepass"))
