"""The single mapping from errors to problem documents (RFC 9457).

Every error leaves the service through `problem_response`. A `pointer` in `errors` is a JSON Pointer
(RFC 6901) into the request: `/body/name`, `/query/limit`, `/path/project_id`.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import (
    RequestValidationError,
    ValidationException,
    WebSocketRequestValidationError,
)
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from app.api.context.request_context import request_id_of
from app.core.errors import (
    AppError,
    BadRequest,
    BodyTooLarge,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE: Final = "application/problem+json"
FrameworkError: Final = HTTPException
"""What Starlette and FastAPI raise; the service's own are in `core/errors.py`."""

_REF: Final = {"$ref": "#/components/schemas/Problem"}
_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_BY_STATUS: Final[dict[int, type[AppError]]] = {
    error.status: error
    for error in (
        BadRequest,
        Unauthenticated,
        NotFound,
        MethodNotAllowed,
        BodyTooLarge,
        InvalidRequest,
        AppError,
        Unavailable,
    )
}
_PHRASES: Final = frozenset(status.phrase for status in HTTPStatus)
_MAX_ERRORS: Final = 20
_MAX_POINTER: Final = 200
_MAX_INSTANCE: Final = 1024

log = structlog.get_logger(__name__)


class InvalidField(BaseModel):
    """One reason why a request does not fit its description."""

    pointer: str = Field(
        description="JSON Pointer into the request: `/body/…`, `/query/…`, `/path/…`, `/header/…`.",
        examples=["/body/name"],
    )
    detail: str


class Problem(BaseModel):
    """A problem document; `type` may add further members."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="`/problems/` and a stable code.", examples=["/problems/not-found"]
    )
    title: str
    status: int
    detail: str | None = Field(default=None, description="What is special about this occurrence.")
    instance: str | None = Field(default=None, description="The path of the request.")
    request_id: str | None = Field(default=None, description="Quote it when you ask for help.")
    errors: list[InvalidField] | None = Field(default=None, description="Only with 422.")


def problems(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """Return what a route passes as `responses=` to document the errors that it may answer with."""
    documented: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        entry = documented.setdefault(
            error.status, {"description": "", "content": {MEDIA_TYPE: {"schema": _REF}}}
        )
        entry["description"] = f"{entry['description']}\n\n`{error.code}`: {error.title}.".strip()
    return documented


def problem_response(
    scope: Scope, error: AppError, *, errors: Sequence[dict[str, str]] = ()
) -> Response:
    """Return the document of an error, with its headers."""
    document = {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": quote(scope["path"][:_MAX_INSTANCE], errors="replace"),
        "request_id": request_id_of(scope),
    }
    if errors:
        document["errors"] = errors
    # Escaped as ASCII: a detail may quote a lone surrogate, which UTF-8 cannot hold.
    body = json.dumps(error.extra | document).encode()
    return Response(body, error.status, error.headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document, and say so in its OpenAPI document."""
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(WebSocketRequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(ExceptionGroup, _exception_group)
    app.openapi = _documented(app.openapi)  # type: ignore[method-assign]  # FastAPI's documented way


async def _app_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, AppError)  # noqa: S101  registered for this class
    if exc.status >= HTTPStatus.INTERNAL_SERVER_ERROR and exc.__cause__ is not None:
        log.error("request not answered", code=exc.code, exc_info=exc)
    if isinstance(exc, InvalidRequest):
        invalid = {"pointer": exc.pointer, "detail": exc.detail or exc.title}
        return problem_response(request.scope, exc, errors=[invalid])
    return problem_response(request.scope, exc)


async def _validation_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, ValidationException)  # noqa: S101  registered for its classes
    errors = [_described(error) for error in exc.errors()[:_MAX_ERRORS]]
    return problem_response(request.scope, InvalidRequest(), errors=errors)


def _described(error: Mapping[str, Any]) -> dict[str, str]:
    # Neither `input` nor `ctx`: a secret must not come back.
    location, detail = error["loc"], error["msg"]
    if error["type"] == "json_invalid" and isinstance(location[-1], int):
        # A pointer leads into a document; this is a position in a text that is none.
        *location, position = location
        detail = f"{detail} at character {position}"
    return {"pointer": _pointer(location), "detail": detail}


def _pointer(location: Iterable[str | int]) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return "".join(f"/{part}" for part in parts)[:_MAX_POINTER]


async def _http_exception(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101  registered for this class
    if exc.status_code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        return Response(status_code=exc.status_code, headers=exc.headers)
    error = _BY_STATUS.get(exc.status_code) or error_class(exc.status_code)
    detail = str(exc.detail)
    response = problem_response(request.scope, error(None if detail in _PHRASES else detail))
    response.headers.update(exc.headers or {})
    if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(_allowed_methods(request))
    return response


@cache
def error_class(status: int) -> type[AppError]:
    """Return the error of an HTTP status for which the service has none of its own."""
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
    code = phrase.lower().replace(" ", "-").replace("'", "")
    return type("HTTPError", (AppError,), {"status": status, "code": code, "title": phrase})


async def _exception_group(request: Request, exc: Exception) -> Response:
    # A TaskGroup raises it. A refusal in it is the answer, unless something went wrong as well.
    assert isinstance(exc, ExceptionGroup)  # noqa: S101  registered for this class
    refusals, others = exc.split((AppError, HTTPException))
    if refusals is None or others is not None:
        raise exc
    first: Exception = refusals
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    answer = _app_error if isinstance(first, AppError) else _http_exception
    return await answer(request, first)


def _allowed_methods(request: Request) -> list[str]:
    # Each method of a path is a route of its own, and the exception knows only the first.
    def answers(method: str) -> bool:
        scope = {**request.scope, "method": method, "fastapi": {}}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return [method for method in _METHODS if answers(method)]


def _documented(openapi: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    def with_problems() -> dict[str, Any]:
        document = openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "Problem" in schemas:
            return document
        schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs")
        schemas["Problem"] = schema
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for path in document.get("paths", {}).values():
            for operation in path.values():
                _document_operation(operation)
        return document

    return with_problems


def _document_operation(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "422" in responses:
        described = problems(InvalidRequest)[InvalidRequest.status]
        own = responses["422"]["description"] if MEDIA_TYPE in responses["422"]["content"] else ""
        description = f"{described['description']}\n\n{own}".strip()
        responses["422"] = {**described, "description": description}
    for response in responses.values():
        for media in response.get("content", {}).values():
            if "itemSchema" in media:
                # A word of OpenAPI 3.2, for streams; the document is of 3.1.
                media["schema"] = media.pop("itemSchema")
    # What any route may answer: 400, 401, 413, 500 and so on.
    responses["default"] = {
        "description": "Any other problem.",
        "content": {MEDIA_TYPE: {"schema": _REF}},
    }
