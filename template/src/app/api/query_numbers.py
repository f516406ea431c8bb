"""Numbers in queries are written as the OpenAPI document says, and in no other way."""

import re
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, get_args

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from app.core.errors import InvalidRequest

type Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_INTEGER: Final = re.compile(r"-?[0-9]+")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def require_plain_numbers(dependant: Dependant, handle: Handler) -> Handler:
    """Return `handle`, which then refuses `1_0`, `+5`, ` 5` and `1.0` for an integer of the query.

    Pydantic reads a text as Python does.
    """
    numbers = dict(_numbers(dependant))
    if not numbers:
        return handle

    async def handle_plain(request: Request) -> Response:
        for name, value in request.query_params.multi_items():
            pattern = numbers.get(name)
            if pattern is not None and not pattern.fullmatch(value):
                kind = "an integer" if pattern is _INTEGER else "a number"
                raise InvalidRequest(f"must be {kind} in ASCII digits", pointer=f"/query/{name}")
        return await handle(request)

    return handle_plain


def _numbers(dependant: Dependant) -> Iterator[tuple[str, re.Pattern[str]]]:
    for field in dependant.query_params:
        annotation: Any = field.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            for name, part in annotation.model_fields.items():
                yield from _pattern(part.alias or name, part.annotation)
        else:
            yield from _pattern(field.alias, annotation)
    for sub in dependant.dependencies:
        yield from _numbers(sub)


def _pattern(name: str, annotation: Any) -> Iterator[tuple[str, re.Pattern[str]]]:
    types = _types(annotation)
    # A text may also be one of several types: then it is Pydantic's to say.
    if str not in types:
        if float in types:
            yield name, _NUMBER
        elif int in types:
            yield name, _INTEGER


def _types(annotation: Any) -> set[Any]:
    if annotation in (int, float, str, bool):
        return {annotation}
    return {found for part in get_args(annotation) for found in _types(part)}
