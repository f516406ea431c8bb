"""Which methods a path has, and how numbers are written in a query, on every route."""

from dataclasses import replace
from typing import Annotated, Final
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI, Query
from pydantic import BaseModel

from app.api.dependencies.admission import CurrentUser
from app.api.routing import APIRouter
from app.core.settings import Settings
from app.main import create_app
from tests.answers import problem
from tests.factories import Factory
from tests.lifespan import started
from tests.routes.access import paths_beside
from tests.routes.operations import Operation
from tests.routes.requests import ROUTES, World
from tests.routes.values import Values
from tests.sending import address

METHODS: Final = {"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"}
PATHS: Final = sorted({route.path_format for route in ROUTES.values()})
NUMBERS: Final = [
    (name, field.alias)
    for name, route in ROUTES.items()
    for sub in (route.dependant, *route.dependant.dependencies)
    for field in sub.query_params
    if field.field_info.annotation is int
]
WRITTEN_OTHERWISE: Final = ["1_0", "+5", " 5", "5 ", "1.0", "1e1", "0x5", "", "\u0665", "\uff15"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_allows_its_own_methods_alone(client: httpx.AsyncClient, path: str) -> None:
    routes = [route for route in ROUTES.values() if route.path_format == path]
    methods = {method for route in routes for method in route.methods or ()}
    filled = path.format(**dict.fromkeys(routes[0].param_convertors, str(uuid4())))
    for tenant in ("acme", None):
        url, headers = address(min(methods), filled, tenant)
        for method in sorted(METHODS - methods):
            answer = await client.request(method, url, headers=headers)
            assert answer.status_code == 405, f"{method} {url}: {answer.text}"
            assert answer.headers["Allow"] == ", ".join(sorted(methods))


async def test_pages_and_probes_answer_head(app: FastAPI, client: httpx.AsyncClient) -> None:
    for path in {path for path in paths_beside(app) if not path.startswith("/static")}:
        get, head = await client.get(path), await client.head(path)
        assert head.status_code == get.status_code, path
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.content == b""


@pytest.mark.parametrize(("name", "query"), NUMBERS)
async def test_a_number_has_one_spelling(app: FastAPI, world: World, name: str, query: str) -> None:
    call = await world.prepare(name)
    number = str(Values({}).of(Operation(app, name).parameter(query)))
    for text in WRITTEN_OTHERWISE:
        answer = await replace(call, query={**call.query, query: text}).send()
        assert problem(answer) == (422, "invalid-request"), text
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"/query/{query}"]
    assert (await replace(call, query={**call.query, query: number}).send()).is_success


class Filter(BaseModel):
    least: int = 0


router = APIRouter(prefix="/numbers")


@router.get("/all")
async def all_kinds(
    _user: CurrentUser,
    some: Annotated[list[int], Query()] = [],  # noqa: B006  FastAPI copies it
    maybe: int | None = None,
    share: float = 0,
    either: int | str = 0,
) -> list[str]:
    return [repr(value) for value in (*some, maybe, share, either)]


@router.get("/model")
async def in_a_model(wanted: Annotated[Filter, Query()]) -> int:
    return wanted.least


async def test_numbers_of_other_kinds(settings: Settings, factory: Factory) -> None:
    app = create_app(settings)
    app.include_router(router)
    user = await factory.signed_in()
    bearer = {"Authorization": f"Bearer {user.token}"}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        started(app),
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
    ):
        good = await client.get("/numbers/all?some=1&some=-2&maybe=3&share=1.5e3", headers=bearer)
        assert good.json() == ["1", "-2", "3", "1500.0", "0"]
        for query in ("some=1&some=1_0", "maybe=+3", "share=1_0", "share=nan", "share=%2B1"):
            answer = await client.get(f"/numbers/all?{query}", headers=bearer)
            assert answer.status_code == 422, query
        # A stranger is told nothing about queries.
        assert (await client.get("/numbers/all?maybe=1_0")).status_code == 401
        assert (await client.get("/numbers/all?either=1_0", headers=bearer)).status_code == 200
        assert (await client.get("/numbers/model?least=1_0")).status_code == 422
        assert (await client.get("/numbers/model?least=10")).json() == 10
