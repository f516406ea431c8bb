"""Probes, metrics and the pages for people."""

from typing import Any

import httpx
import openapi_spec_validator
import pytest
from fastapi import FastAPI

from app.core.errors import AppError
from app.core.settings import DatabaseSettings, DevSettings, Settings
from app.main import create_app
from tests.lifespan import started
from tests.wire import PostgresWire, through


async def answer_of(settings: Settings, path: str) -> httpx.Response:
    app = create_app(settings)
    async with started(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.get(path)


async def test_a_living_process_answers(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_migrated_database_makes_it_ready(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json().items() >= {"status": "ok", "database": "ok"}.items()


async def test_without_a_database_it_lives_and_is_not_ready(settings: Settings) -> None:
    gone = DatabaseSettings.model_validate({"url": "postgresql://app:app@127.0.0.1:1/none"})
    app = create_app(settings.model_copy(update={"database": gone}))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        assert (await client.get("/health/live")).status_code == 200
        answer = await client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["database"] == "unavailable"


async def test_readiness_turns_within_about_a_second(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("app.core.db.readiness.monotonic", lambda: now)
    async with PostgresWire.to(settings.database.url.get_secret_value()) as wire:
        url = through(wire, settings.database.url)
        database = settings.database.model_copy(update={"url": url})
        app = create_app(settings.model_copy(update={"database": database}))
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            started(app),
            httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
        ):

            async def status() -> int:
                return (await client.get("/health/ready")).status_code

            assert await status() == 200
            await wire.close()
            assert await status() == 200, "as of less than a second ago"
            now += 1
            assert await status() == 503
            await wire.open()
            assert await status() == 503
            now += 1
            assert await status() == 200


async def test_metrics_count_requests_queries_and_connections(client: httpx.AsyncClient) -> None:
    await client.get("/health/ready")
    text = (await client.get("/metrics")).text
    assert 'route="/health/ready"' in text
    assert "db_query_duration_seconds_count" in text
    assert "db_pool" in text


async def test_no_redirect_is_made_of_the_host_header(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/users/me/", headers={"Host": "evil.example"})
    assert answer.is_client_error
    assert "location" not in answer.headers


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_documentation_needs_no_cdn(client: httpx.AsyncClient, path: str) -> None:
    page = (await client.get(path)).text
    assert "/static-offline-docs/" in page
    assert "https://cdn" not in page
    assert "https://fonts" not in page


async def test_the_start_page_of_production_tells_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.headers["content-type"].startswith("text/plain")


async def test_the_start_page_of_development_links_the_tools(settings: Settings) -> None:
    dev = DevSettings.model_validate({"pages": {"Mailbox": "http://127.0.0.1:1025"}})
    answer = await answer_of(settings.model_copy(update={"environment": "dev", "dev": dev}), "/")
    assert answer.headers["content-type"].startswith("text/html")
    assert 'href="http://127.0.0.1:1025"' in answer.text
    assert "owner@acme.test" in answer.text


async def test_the_mailbox_is_one_redirect_away(settings: Settings) -> None:
    dev = DevSettings.model_validate({"pages": {"Mailbox": "http://127.0.0.1:1025"}})
    answer = await answer_of(
        settings.model_copy(update={"environment": "dev", "dev": dev}), "/mailbox"
    )
    assert (answer.status_code, answer.headers["location"]) == (307, "http://127.0.0.1:1025")


class CupBroken(AppError):
    """A team's own."""

    status, code, title = 409, "cup-broken", "The cup <is> broken"


@pytest.mark.parametrize("code", ["not-found", "im-a-teapot", CupBroken.code])
async def test_the_type_of_a_problem_leads_to_a_page(client: httpx.AsyncClient, code: str) -> None:
    answer = await client.get(f"/problems/{code}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    assert "<dd>4" in answer.text
    assert "<is>" not in answer.text


async def test_a_type_that_no_problem_has_leads_to_none(client: httpx.AsyncClient) -> None:
    answer = await client.get("/problems/<b>")
    assert answer.status_code == 404
    assert "<code>&lt;b&gt;</code>" in answer.text


async def test_development_pages_stay_in_development(client: httpx.AsyncClient) -> None:
    assert (await client.get("/accept-invite")).status_code == 404


def test_openapi_is_valid(app: FastAPI) -> None:
    openapi_spec_validator.validate(app.openapi())


def operation_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    operations: list[dict[str, Any]] = [
        operation for path in document["paths"].values() for operation in path.values()
    ]
    return next(operation for operation in operations if operation["operationId"] == name)


async def test_openapi_describes_errors_and_the_bearer_scheme(app: FastAPI) -> None:
    document = app.openapi()
    operation = operation_of(document, "create_project")
    conflict = operation["responses"]["409"]["content"]
    assert list(conflict) == ["application/problem+json"]
    assert operation["security"] == [{"HTTPBearer": []}]
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


async def test_openapi_tells_who_may_call_a_route_and_how_it_refuses(app: FastAPI) -> None:
    document = app.openapi()
    refresh = operation_of(document, "refresh")
    assert "security" not in refresh
    create = operation_of(document, "create_project")["responses"]
    assert {"400", "401", "403", "404", "409", "410", "503"} <= set(create)
    assert "`tenant-required`" in create["400"]["description"]
    remove = operation_of(document, "remove_member")["responses"]
    assert "`role-required`" in remove["403"]["description"]
