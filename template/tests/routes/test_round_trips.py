"""What each route costs in round trips and statements, counted between the service and PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

import pytest
from fastapi.routing import APIRoute

from app.api import health, metrics
from app.api.pages import routes as pages
from app.core.settings import Settings
from tests.routes.budgets import Budget, default_of
from tests.routes.requests import ALL, ROUTES, World, world_of
from tests.routes.tables import place_of, table
from tests.wire import PostgresWire, through

pytestmark = pytest.mark.thorough

BUDGETS: Final = table("BUDGETS")
WITHOUT_DATABASE: Final = sorted(
    route.path_format
    for router in (health.router, metrics.router, pages.start_page)
    for route in router.routes
    if isinstance(route, APIRoute) and route.path_format != "/health/ready"
)


@pytest.fixture(scope="module")
async def wire(settings: Settings) -> AsyncIterator[PostgresWire]:
    async with PostgresWire.to(settings.database.url.get_secret_value()) as wire:
        yield wire


@pytest.fixture(scope="module")
async def world(settings: Settings, wire: PostgresWire) -> AsyncIterator[World]:
    """An application with one connection: for a second one, a request would wait in vain."""
    limits = {"pool_size": 1, "max_overflow": 0}
    database = settings.database.model_copy(
        update={"url": through(wire, settings.database.url), **limits}
    )
    async with world_of(settings.model_copy(update={"database": database})) as world:
        yield world


@pytest.mark.parametrize("name", ROUTES)
async def test_a_route_stays_within_its_budget(world: World, wire: PostgresWire, name: str) -> None:
    # The first one prepares statements, which later ones find in the connection's cache.
    for _ in range(2):
        call = await world.prepare(name)
        wire.counted()
        answer = await call.send()
        count = wire.counted()
        assert not answer.is_error, f"{name}: {answer.text}"
    budget = BUDGETS.get(name) or default_of(min(ROUTES[name].methods or {"GET"}))
    assert len(count.connections) <= 1
    is_within = count.trips <= budget.trips and count.statements <= budget.statements
    needed = Budget(trips=count.trips, statements=count.statements)
    place = place_of(ROUTES[name].endpoint.__module__)
    hint = f"If it needs more, add to {place}: BUDGETS = {{'{name}': {needed}}}"
    assert is_within, f"{name} has {budget}. {hint}"


@pytest.mark.parametrize("path", WITHOUT_DATABASE)
async def test_what_belongs_to_no_tenant_asks_no_database(
    world: World, wire: PostgresWire, path: str
) -> None:
    wire.counted()
    await world.client.get(path)
    assert wire.counted().trips == 0


async def test_readiness_asks_one_question_however_many_ask(
    world: World, wire: PostgresWire, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Within one second, in which the answer is remembered, however long they take.
    now = time.monotonic() + 1
    monkeypatch.setattr("app.core.db.readiness.monotonic", lambda: now)
    # It has a connection of its own, and here it is open.
    await world.client.get("/health/ready")
    now += 1
    wire.counted()
    answers = await asyncio.gather(*(world.client.get("/health/ready") for _ in range(20)))
    count = wire.counted()
    assert {answer.status_code for answer in answers} == {200}
    # It begins, asks and commits.
    assert 1 <= count.statements <= 3


def test_budgets_are_of_routes() -> None:
    assert BUDGETS.keys() | table("REQUESTS").keys() <= ALL.keys()
