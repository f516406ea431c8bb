"""Whom and what the requests of these tests are about, and which routes they leave out."""

from collections.abc import Generator
from typing import Final

import httpx
import pytest
from fastapi import FastAPI

from tests.factories import Factory
from tests.routes.declarations import Fault, fault_of
from tests.routes.requests import ROUTES, World

_JUDGE: Final = "test_a_route_can_be_called"
_REQUEST: Final = pytest.StashKey[pytest.FixtureRequest]()


@pytest.fixture(scope="session")
async def plain_world(app: FastAPI, client: httpx.AsyncClient, factory: Factory) -> World:
    """People of acme, of the lobby and of the platform, and their requests."""
    return await World.of(app, client, factory)


@pytest.fixture(scope="session")
def world(plain_world: World) -> World:
    """The same, where a module has none of its own."""
    return plain_world


@pytest.fixture(scope="session")
async def faults(plain_world: World) -> dict[str, Fault]:
    """What is missing, by route, of those that cannot be called."""
    found = {name: await fault_of(plain_world, name) for name in ROUTES}
    return {name: fault for name, fault in found.items() if fault}


@pytest.fixture(autouse=True)
def _asking(request: pytest.FixtureRequest) -> None:
    """Keep what a failure asks for more."""
    request.node.stash[_REQUEST] = request


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Skip what fails about a route that cannot be called, if the one failure that says so is among the tests."""
    try:
        yield
    except Exception:
        callspec = getattr(item, "callspec", None)
        name = callspec.params.get("name") if callspec else None
        is_judged = f"{_JUDGE}[{name}]" in {each.name for each in item.session.items}
        if is_judged and name in item.stash[_REQUEST].getfixturevalue("faults"):
            pytest.skip(f"{_JUDGE}[{name}] says what it needs.")
        raise
