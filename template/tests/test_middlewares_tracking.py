"""Crashes, request limits, draining, and what is logged and measured."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from app.api.middlewares.request_tracking import ResponseAborted
from tests.patience import PATIENCE
from tests.probe import Probe
from tests.sections import probe_settings


@pytest.fixture
def probe() -> Probe:
    return Probe(probe_settings(http={"max_body_bytes": 1000, "max_header_bytes": 4000}))


@pytest.fixture
async def client(probe: Probe) -> AsyncIterator[httpx.AsyncClient]:
    async with probe.client() as client:
        yield client


async def test_a_crash_is_a_problem_that_tells_nothing(
    client: httpx.AsyncClient, probe: Probe
) -> None:
    response = await client.get("/crash?token=abc", headers={"x-request-id": "r1"})

    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "/problems/internal",
        "title": "Internal error",
        "status": 500,
        "detail": None,
        "instance": "/crash",
        "request_id": "r1",
    }
    [line] = probe.logged()
    assert line["event"] == "request failed"
    assert line["status"] == 500
    assert line["request_id"] == "r1"
    assert "RuntimeError: secret detail for [masked]" in line["exception"]
    assert probe.log.getvalue().count("Traceback") == 1
    assert "abc" not in str(line)


@pytest.mark.parametrize("environment", ["production", "dev"])
async def test_a_known_crash_says_what_to_do(environment: str) -> None:
    probe = Probe(probe_settings(environment=environment))
    async with probe.client() as client:
        detail = (await client.get("/lazy")).json()["detail"]
    assert ("selectinload" in str(detail)) is (environment == "dev")
    assert "selectinload" in probe.logged()[-1]["hint"]


async def test_a_response_that_has_begun_is_aborted(
    client: httpx.AsyncClient, probe: Probe
) -> None:
    with pytest.raises(ResponseAborted, match="RuntimeError"):
        await client.get("/stream-crash")

    [line] = probe.logged()
    assert "RuntimeError: in the middle" in line["exception"]


async def test_one_line_for_each_request(client: httpx.AsyncClient, probe: Probe) -> None:
    await client.get("/api/v1/items/7?secret=1", headers={"authorization": "Bearer abc"})
    await client.get("/health/live")
    await client.get("/no/such%0Apath")

    request, health, missing = probe.logged()
    assert request.pop("duration_ms") >= 0
    assert request.pop("timestamp").endswith("Z")
    assert request.pop("request_id")
    assert request == {
        "event": "request",
        "level": "info",
        "method": "GET",
        "route": "/api/v1/items/{item_id}",
        "path": "/api/v1/items/7",
        "status": 200,
        "client_address": "127.0.0.1",
    }
    assert health["level"] == "debug"
    assert (missing["route"], missing["path"], missing["status"]) == (None, "/no/such%0Apath", 404)


async def test_metrics_know_the_route_not_the_path(client: httpx.AsyncClient, probe: Probe) -> None:
    for item in range(3):
        await client.get(f"/api/v1/items/{item}")
    await client.request("BREW", "/coffee")

    text = probe.metrics.render().decode()
    counted = 'http_request_duration_seconds_count{method="GET",route="/api/v1/items/{item_id}"'
    assert f'{counted},status="2xx"}} 2.0' in text
    assert f'{counted},status="4xx"}} 1.0' in text
    assert 'method="other",route="unmatched",status="4xx"' in text


async def test_a_declared_body_that_is_too_large_is_not_read(client: httpx.AsyncClient) -> None:
    response = await client.post("/raw", content=b"x" * 1001)
    assert response.status_code == 413
    assert response.json()["type"] == "/problems/body-too-large"
    assert (await client.post("/raw", content=b"x" * 1000)).json() == 1000


@pytest.mark.parametrize("path", ["/raw", "/api/v1/items"])
async def test_a_streamed_body_is_counted(client: httpx.AsyncClient, path: str) -> None:
    async def chunks(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 100

    response = await client.post(
        path, content=chunks(11), headers={"content-type": "application/json"}
    )
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == "/problems/body-too-large"
    assert (await client.post("/raw", content=chunks(10))).json() == 1000


@pytest.mark.parametrize("length", ["-1", "1e3", "ten", ""])
async def test_a_content_length_that_is_no_number(client: httpx.AsyncClient, length: str) -> None:
    response = await client.post("/raw", content=b"x", headers={"content-length": length})
    assert response.status_code == 400
    assert response.json()["type"] == "/problems/bad-request"


async def test_large_headers_and_targets(client: httpx.AsyncClient) -> None:
    for response in (
        await client.get("/whoami", headers={"x-long": "x" * 4000}),
        await client.get("/whoami", headers=[("x-many", "x" * 10)] * 300),
        await client.get("/whoami?q=" + "x" * 4000),
    ):
        assert response.status_code == 431
        assert response.json()["type"] == "/problems/headers-too-large"


async def test_draining_lets_requests_finish_and_turns_new_ones_away(
    client: httpx.AsyncClient, probe: Probe
) -> None:
    gate = probe.app.state.gate
    running = asyncio.create_task(client.get("/held"))
    await gate.entered.wait()
    assert probe.running.count == 1

    probe.running.begin_drain()
    refused = await client.get("/api/v1/items")
    assert refused.status_code == 503
    assert refused.headers["connection"] == "close"
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["type"] == "/problems/unavailable"
    assert (await client.get("/health/live")).status_code == 200
    assert not await probe.running.finished(timedelta(milliseconds=20))

    gate.opened.set()
    assert (await running).status_code == 200
    assert await probe.running.finished(PATIENCE)


async def test_draining_an_idle_service_takes_no_time(probe: Probe) -> None:
    probe.running.begin_drain()
    assert await probe.running.finished(PATIENCE)


@pytest.mark.parametrize(
    ("given", "kept"),
    [(b"curl/8", "curl/8"), (b"x" * 300, "x" * 256), (b"a\x00b\x1b[31m", "ab[31m"), (b"", "")],
)
async def test_the_user_agent_is_bounded_and_printable(
    client: httpx.AsyncClient, given: bytes, kept: str
) -> None:
    response = await client.get("/whoami", headers={b"user-agent": given})
    assert response.json()["user_agent"] == kept
