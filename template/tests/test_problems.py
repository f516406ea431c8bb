"""Every error is a problem document, and the OpenAPI document says which."""

import importlib
import json
import pkgutil
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

import app
from app.api.problems import problem_response
from app.core.errors import AppError, NotFound
from tests.probe import Probe
from tests.sections import probe_settings


@pytest.fixture(scope="module")
def probe() -> Probe:
    return Probe(probe_settings())


@pytest.fixture(scope="module")
async def client(probe: Probe) -> AsyncIterator[httpx.AsyncClient]:
    async with probe.client() as client:
        yield client


def problem(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    assert document["request_id"] == response.headers["x-request-id"]
    return document


async def test_an_error_of_the_application(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/items/0", headers={"x-request-id": "r"})
    assert problem(response) == {
        "type": "/problems/not-found",
        "title": "Not found",
        "status": 404,
        "detail": "There is no item 0.",
        "instance": "/api/v1/items/0",
        "request_id": "r",
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/teapot", 418, "im-a-teapot"),
        ("PUT", "/api/v1/items", 405, "method-not-allowed"),
        ("GET", "/down", 503, "unavailable"),
        ("GET", "/busy", 503, "tenant-not-ready"),
        ("GET", "/together", 404, "not-found"),
        ("GET", "/together?broken=true", 500, "internal"),
    ],
)
async def test_codes(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    document = problem(await client.request(method, path))
    assert (document["status"], document["type"]) == (status, f"/problems/{code}")
    assert document["title"]


async def test_all_methods_of_a_path_are_allowed(client: httpx.AsyncClient) -> None:
    assert (await client.put("/api/v1/items")).headers["allow"] == "GET, POST"
    assert (await client.put("/api/v1/items/1")).headers["allow"] == "DELETE, GET"
    assert (await client.post("/crash")).headers["allow"] == "GET"


async def test_retry_after(client: httpx.AsyncClient) -> None:
    assert (await client.get("/busy")).headers["retry-after"] == "2"
    assert (await client.get("/down")).headers["retry-after"] == "1"


async def test_the_cause_of_a_503_is_logged_and_not_told() -> None:
    probe = Probe(probe_settings())
    async with probe.client() as client:
        assert "connection refused" not in (await client.get("/down")).text
    assert "OSError: connection refused for [masked]" in probe.logged()[0]["exception"]


@pytest.mark.parametrize(
    ("method", "path", "options", "pointers"),
    [
        ("POST", "/api/v1/items", {"json": {"name": "x"}}, ["/body/name"]),
        ("POST", "/api/v1/items", {"json": {}}, ["/body/name"]),
        ("POST", "/api/v1/items", {"json": []}, ["/body"]),
        ("POST", "/api/v1/items", {}, ["/body"]),
        (
            "POST",
            "/api/v1/items/nested",
            {"json": {"items": [{"name": "ab"}, {"name": "x"}, 3]}},
            ["/body/items/1/name", "/body/items/2"],
        ),
        ("GET", "/api/v1/items?limit=101", {}, ["/query/limit"]),
        ("GET", "/api/v1/items/x", {}, ["/path/item_id"]),
        ("GET", "/strict", {"headers": {"x-count": "x"}}, ["/header/x-count"]),
        ("POST", "/text", {"json": "long"}, ["/body"]),
        (
            "POST",
            "/api/v1/items",
            {"content": b"{}", "headers": {"content-type": "text/xml"}},
            ["/body"],
        ),
    ],
)
async def test_pointers(
    client: httpx.AsyncClient, method: str, path: str, options: dict[str, Any], pointers: list[str]
) -> None:
    document = problem(await client.request(method, path, **options))
    assert document["type"] == "/problems/invalid-request"
    assert [error["pointer"] for error in document["errors"]] == pointers
    assert all(error["detail"] for error in document["errors"])


async def test_a_body_that_is_no_json_says_where(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/api/v1/items",
        content=b'{"name": Ada}',
        headers={"content-type": "application/json"},
    )
    assert problem(response)["errors"] == [
        {"pointer": "/body", "detail": "JSON decode error at character 9"}
    ]


async def test_a_password_does_not_come_back(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/api/v1/items", json={"name": "Ada", "password": "correct horse battery"}
    )
    assert problem(response)["errors"][0]["pointer"] == "/body/password"
    assert "horse" not in response.text


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"name": ' + b"9" * 5_000 + b"}",
        b'{"name": "\\ud800"}',
        b'{"name": "\\u0000\\u0000"}',
        b"\x00",
        b"null",
        b'"' + b"x" * 10_000,
    ],
    ids=repr,
)
async def test_a_malformed_body_is_the_clients_fault(
    client: httpx.AsyncClient, body: bytes
) -> None:
    response = await client.post(
        "/api/v1/items", content=body, headers={"content-type": "application/json"}
    )
    if response.status_code != 201:
        assert problem(response)["status"] in (400, 422)
    assert len(response.content) < 1000


async def test_an_answer_stays_small(client: httpx.AsyncClient) -> None:
    body = {"items": [{"name": "x"}] * 10_000}
    assert len(problem(await client.post("/api/v1/items/nested", json=body))["errors"]) == 20
    assert len((await client.get("/" + "x" * 20_000)).content) < 2_000


async def test_the_instance_is_an_encoded_path(client: httpx.AsyncClient) -> None:
    document = problem(await client.get("/a%20b%0D%0A%22%3Cx%3E?token=abc"))
    assert document["instance"] == "/a%20b%0D%0A%22%3Cx%3E"


def test_a_detail_may_quote_what_utf8_cannot_hold() -> None:
    scope = {"path": "/\ud800", "state": {"request_id": "r"}}
    response = problem_response(scope, NotFound("no \ud800"))
    assert json.loads(bytes(response.body))["detail"] == "no \ud800"


def test_the_openapi_document(probe: Probe) -> None:
    document = probe.app.openapi()
    assert probe.app.openapi() == document
    schemas = document["components"]["schemas"]
    assert {"Problem", "InvalidField"} <= schemas.keys()
    assert not {"HTTPValidationError", "ValidationError"} & schemas.keys()

    responses = document["paths"]["/api/v1/items"]["post"]["responses"]
    assert responses.keys() == {"201", "404", "409", "422", "default"}
    assert responses["409"]["description"] == "`project-name-taken`: Another project has this name."
    for status in ("404", "409", "422", "default"):
        schema = responses[status]["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}
        assert list(responses[status]["content"]) == ["application/problem+json"]


def errors_with_a_code() -> list[type[AppError]]:
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
    found, pending = [], [AppError]
    while pending:
        error = pending.pop()
        pending += error.__subclasses__()
        # The framework's other statuses get classes at run time.
        if error.__module__.startswith("app.") and error.__name__ != "HTTPError":
            found.append(error)
    return [error for error in found if "code" in vars(error)]


def test_an_error_code_belongs_to_one_class() -> None:
    codes = [error.code for error in errors_with_a_code()]
    assert len(set(codes)) == len(codes), "two classes have one code"
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code) for code in codes)
