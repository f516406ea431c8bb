"""Routes that hold no connection while they work."""

import httpx
import pytest
from fastapi import FastAPI

from app.api.dependencies.admission import CurrentUser
from app.api.dependencies.components import ComponentsDep
from app.api.dependencies.sessions import DBSession
from app.api.detached_routing import DetachedRoute
from app.api.routing import APIRouter
from app.core.settings import Settings
from app.main import create_app
from tests.factories import Factory
from tests.lifespan import started

router = APIRouter(prefix="/detached", route_class=DetachedRoute)


@router.get("/connections")
async def count_connections(components: ComponentsDep, _user: CurrentUser) -> int:
    return components.database.pool.checkedout()


@router.get("/session")
async def ask_for_a_session(_user: CurrentUser, session: DBSession) -> str:
    return session.side.value


@pytest.fixture
def detached(settings: Settings) -> FastAPI:
    """An application with such routes."""
    app = create_app(settings)
    app.include_router(router)
    return app


async def get(app: FastAPI, path: str, token: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        started(app),
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
    ):
        return await client.get(f"/detached/{path}", headers=headers)


async def test_the_caller_is_admitted_and_no_connection_kept(
    detached: FastAPI, factory: Factory
) -> None:
    caller = await factory.signed_in()
    answer = await get(detached, "connections", caller.token)
    assert (answer.status_code, answer.json()) == (200, 0)


async def test_nobody_else_is_admitted(detached: FastAPI) -> None:
    assert (await get(detached, "connections")).status_code == 401


async def test_a_session_is_an_error(detached: FastAPI, factory: Factory) -> None:
    # Its transaction would be nobody's to end.
    caller = await factory.signed_in()
    assert (await get(detached, "session", caller.token)).status_code == 500
