"""Fixtures of every test: real servers, a database for each worker, the application in this process."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from fastapi import FastAPI

from app.core.db.database import Database
from app.core.settings import DatabaseSettings, Settings
from app.main import create_app
from tests import databases, servers
from tests.factories import Factory
from tests.sections import NOBODY

_running = ExitStack()
_STARTED = pytest.StashKey[Callable[[], None]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers once, not in each of pytest-xdist's processes."""
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        config.stash[_STARTED] = _running.enter_context(servers.starting())


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Wait for the servers: pytest-xdist hands out no test before."""
    if _STARTED in session.config.stash:
        session.config.stash[_STARTED]()


def pytest_unconfigure() -> None:
    """Stop the servers."""
    _running.close()


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` means: one more than cores, as some tests wait for others' clocks."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def admin_url() -> str:
    """A role that may create databases and roles."""
    return servers.address(servers.POSTGRES)


@pytest.fixture(scope="session")
def database_settings(admin_url: str) -> Iterator[DatabaseSettings]:
    """A database of this worker's own, migrated, with the standing tenants."""
    name = f"lobby_test_{secrets.token_hex(6)}"
    asyncio.run(databases.clone(admin_url, name))
    yield databases.settings_for(admin_url, name)
    asyncio.run(databases.drop(admin_url, name))


@pytest.fixture(scope="session")
def settings(database_settings: DatabaseSettings) -> Settings:
    """A service in `test`."""
    return Settings.model_validate(
        {
            **NOBODY,
            "database": database_settings,
            "temporal": {"address": servers.address(servers.TEMPORAL)},
            "auth": {
                "keys": {"test": secrets.token_urlsafe(48)},
                "active_kid": "test",
                # The least that is allowed: hashing would be most of the suite's work.
                "hashing_memory_kib": 7 * 1024,
            },
            "logging": {"level": "warning"},
        }
    )


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application, started."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
def database(app: FastAPI) -> Database:
    """The application's pool, with its rights and no others."""
    database: Database = app.state.components.database
    return database


@pytest.fixture(scope="session")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


@pytest.fixture(scope="session")
def factory(app: FastAPI, client: httpx.AsyncClient) -> Factory:
    """Makes users, memberships and signed-in clients."""
    return Factory(app.state.components, client)
