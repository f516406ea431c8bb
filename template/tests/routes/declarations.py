"""What has to be said of a route before its tests mean anything: the lines to add, and where."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import httpx
from fastapi.routing import APIRoute

from app.models.base import TenantBase
from tests.routes.access import access_of, demanded_by, worded
from tests.routes.bodies import body_of, parameters_of
from tests.routes.references import maker_of, referred_to
from tests.routes.requests import ROUTES, Uncallable, World
from tests.routes.tables import place_of

_PARTS: Final = {
    "path": "path",
    "query": "query",
    "header": "headers",
    "cookie": "cookies",
    "body": "fields",
}
"""What `Asked` calls the parts of a request."""

type Named = tuple[str, str]
"""A part of a request, and a name there."""


class Fault(NamedTuple):
    """Why the tests of a route mean nothing."""

    cause: str
    """The route that has to be called first, or itself."""
    text: str


async def fault_of(world: World, name: str) -> Fault | None:
    """Return what is missing of a route, with the lines that say it."""
    faults, lines = [], list[str]()
    demanded, meant = demanded_by(name), access_of(name)
    if demanded != meant:
        faults.append(f"{name} admits {worded(demanded)}, and is meant to admit {worded(meant)}.")
        lines += _lines_of_access(name)
    refused = await refusal_of(world, name)
    if refused is not None:
        faults.append(str(refused))
        lines += _lines_of_request(name, refused.answer) if refused.name == name else ()
    if lines:
        place = place_of(ROUTES[name].endpoint.__module__)
        imports = sorted({line for line in lines if line.startswith("from ")})
        rest = [line for line in lines if line not in imports]
        faults += [f"If that is right, add to {place}:\n", *imports, *rest]
    cause = refused.name if refused else name
    return Fault(cause, "\n".join(faults)) if faults else None


async def refusal_of(world: World, name: str) -> Uncallable | None:
    """Return how a route, or one that makes a row for it, refuses what was made up for it."""
    try:
        answer = await (await world.prepare(name)).send()
    except Uncallable as refused:
        return refused
    return Uncallable(name, answer) if answer.is_error else None


def _lines_of_access(name: str) -> Iterator[str]:
    word = worded(demanded_by(name))
    *others, last = re.findall(r"[A-Za-z_]+(?![\w=])", word.replace("=True", "="))
    if "replace" in others:
        yield "from dataclasses import replace"
    words = sorted({*others, last} - {"replace"}, key=str.swapcase)
    yield f"from tests.routes.access import {', '.join(words)}"
    yield f'\nACCESS = {{"{name}": {word}}}\n'


def _lines_of_request(name: str, answer: httpx.Response) -> Iterator[str]:
    route, status = ROUTES[name], answer.status_code
    unmade = {} if status in {401, 422} else dict(_unmade(route))
    headers = [field for field, _ in parameters_of(route, "header")]
    asked = f'REQUESTS = {{"{name}": {name}}}'
    if unmade:
        models = sorted({model.__name__: model for model in unmade.values()}.items())
        for model, each in models:
            yield f"from {each.__module__} import {model}"
        yield "from tests.routes.requests import Asked, World"
        yield f"\n\nasync def {name}(world: World) -> Asked:"
        for model, _ in models:
            yield f"    {model.lower()} = await world.add({model}(...))"
        rows = {named: f"{model.__name__.lower()}.id" for named, model in unmade.items()}
        yield f"    return {_asked(rows)}\n\n"
        yield asked
    elif headers and status in {400, 401, 403}:
        yield "from tests.routes.requests import Asked"
        yield "\n\ndef signed(body: bytes) -> dict[str, str]:"
        yield f"    return {{{', '.join(f'"{header}": ...' for header in headers)}}}\n\n"
        yield f'REQUESTS = {{"{name}": Asked(sign=signed)}}'
    elif status < 500:
        # What crashes is no matter of words: the log has the traceback.
        fields = dict.fromkeys(_refused(answer) or _required(route), "...")
        yield "from tests.routes.requests import Asked"
        yield f'\nREQUESTS = {{"{name}": {_asked(fields)}}}'


def _asked(values: dict[Named, str]) -> str:
    parts = {
        said: ", ".join(f'"{name}": {value}' for (of, name), value in values.items() if of == part)
        for part, said in _PARTS.items()
    }
    return (
        f"Asked({', '.join(f'{said}={{{members}}}' for said, members in parts.items() if members)})"
    )


def _unmade(route: APIRoute) -> Iterator[tuple[Named, type[TenantBase]]]:
    """Yield what refers to a row that no route makes."""
    models = {str(each.__tablename__): each for each in TenantBase.__subclasses__()}
    for part, name in _required(route):
        refers_to = referred_to(name, route.path_format)
        if refers_to and refers_to.table in models and not maker_of(refers_to.table, ROUTES):
            yield (part, name), models[refers_to.table]


def _required(route: APIRoute) -> Iterator[Named]:
    for part in ("path", "query", "header", "cookie"):
        yield from ((part, name) for name, _ in parameters_of(route, part))
    body = body_of(route)
    yield from (("body", name) for name in (body if isinstance(body, dict) else ()))


def _refused(answer: httpx.Response) -> Iterable[Named]:
    errors = answer.json().get("errors", ()) if answer.status_code == 422 else ()
    pointers = [error["pointer"].split("/") for error in errors]
    return [(part, name) for _, part, name, *_ in (p for p in pointers if len(p) > 2)]
