"""CORS, security and correlation headers, on every kind of answer."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.probe import Probe
from tests.sections import probe_settings

ORIGIN = "https://app.example.com"


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    probe = Probe(
        probe_settings(
            environment="production",
            public_url="https://api.example.com",
            http={"cors_origins": [ORIGIN], "max_body_bytes": 1000, "max_header_bytes": 4000},
        )
    )
    async with probe.client() as client:
        yield client


def assert_complete(response: httpx.Response) -> None:
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "geolocation=()" in response.headers["permissions-policy"]
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert response.headers["strict-transport-security"].startswith("max-age=63072000")
    assert response.headers["cache-control"] == "no-store"
    for name in response.headers:
        assert len(response.headers.get_list(name)) == 1, name


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/api/v1/items", {}, 200),
        ("DELETE", "/api/v1/items/1", {}, 204),
        ("GET", "/nothing", {}, 404),
        ("PUT", "/api/v1/items", {}, 405),
        ("POST", "/api/v1/items", {"json": {}}, 422),
        ("POST", "/raw", {"content": b"x" * 1001}, 413),
        ("GET", "/whoami", {"headers": {"x-long": "x" * 4000}}, 431),
        ("GET", "/crash", {}, 500),
        ("GET", "/busy", {}, 503),
    ],
)
async def test_every_answer_has_every_header(
    client: httpx.AsyncClient, method: str, path: str, options: dict[str, object], status: int
) -> None:
    client.headers["origin"] = ORIGIN
    response = await client.request(method, path, **options)  # type: ignore[arg-type]  # a table

    assert response.status_code == status
    assert_complete(response)


async def test_a_preflight_has_every_header(client: httpx.AsyncClient) -> None:
    asked = {
        "origin": ORIGIN,
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "authorization,x-request-id",
    }
    response = await client.options("/api/v1/items", headers=asked)

    assert response.status_code == 200
    assert response.headers["access-control-allow-headers"] == "authorization,x-request-id"
    assert_complete(response)


async def test_other_origins_are_not_allowed(client: httpx.AsyncClient) -> None:
    evil = {"origin": "https://evil.example", "access-control-request-method": "GET"}
    assert (await client.options("/api/v1/items", headers=evil)).status_code == 400
    response = await client.get("/api/v1/items", headers=evil)
    assert "access-control-allow-origin" not in response.headers


async def test_without_origins_there_is_no_cors() -> None:
    async with Probe(probe_settings()).client() as client:
        response = await client.get("/api/v1/items", headers={"origin": ORIGIN})
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    ("environment", "public_url", "expected"),
    [
        ("production", "https://api.example.com", True),
        ("production", "http://api.internal", False),
        ("dev", "https://localhost", False),
    ],
)
async def test_hsts_only_over_https(environment: str, public_url: str, expected: bool) -> None:
    settings = probe_settings(environment=environment, public_url=public_url)
    async with Probe(settings).client() as client:
        response = await client.get("/api/v1/items")
    assert ("strict-transport-security" in response.headers) is expected


async def test_a_routes_own_header_stays() -> None:
    async with Probe(probe_settings()).client() as client:
        response = await client.get("/cached")
    assert response.headers.get_list("cache-control") == ["max-age=60"]


async def test_only_the_documentation_may_run_inline_scripts() -> None:
    async with Probe(probe_settings()).client() as client:
        docs = await client.get("/docs")
        data = await client.get("/docs-like")
    assert "script-src 'self' 'unsafe-inline'" in docs.headers["content-security-policy"]
    assert "script-src" not in data.headers["content-security-policy"]


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 128])
async def test_a_request_id_is_kept(given: str) -> None:
    async with Probe(probe_settings()).client() as client:
        response = await client.get("/whoami", headers={"x-request-id": given})
    assert response.headers["x-request-id"] == given
    assert response.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", " ", "x" * 129, "a b", "a\tb", "ü", "<script>", "a,b"])
async def test_a_strange_request_id_is_replaced(given: str) -> None:
    async with Probe(probe_settings()).client() as client:
        response = await client.get("/whoami", headers={b"x-request-id": given.encode("latin-1")})
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])
