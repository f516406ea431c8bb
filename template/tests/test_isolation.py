"""No route and no table lets one tenant reach another; routes and tables that you add join by themselves."""

from uuid import uuid4

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.api.dependencies.requirements import requirement_of
from app.api.v1 import routers
from app.core.db.database import Database
from app.core.roles import Role
from app.models.trees import public_tree, tenant_tree
from tests.factories import Factory, SignedIn
from tests.sending import send
from tests.sign_in.mode import PUBLIC_ROUTES

PUBLIC = {"refresh", "logout", "look_up_invite", *PUBLIC_ROUTES}
"""Routes without an access token. A new one has to be put here on purpose."""

ROUTES = {
    route.name: route
    for router in routers()
    for route in router.routes
    if isinstance(route, APIRoute)
}
OF_TENANTS = sorted(
    name for name, route in ROUTES.items() if (found := requirement_of(route)) and found.tenant
)
OF_USERS = sorted(
    name for name, route in ROUTES.items() if (found := requirement_of(route)) and found.user
)


def request_of(name: str) -> tuple[str, str]:
    route = ROUTES[name]
    values = {parameter: str(uuid4()) for parameter in route.param_convertors}
    method = next(iter(sorted(route.methods or {"GET"})))
    return method, route.path_format.format(**values)


async def refused(caller: SignedIn, name: str, tenant: str) -> str:
    method, path = request_of(name)
    problem: str = (await caller.call(method, path, tenant=tenant)).json()["type"]
    return problem


def test_a_route_without_a_token_is_public_on_purpose() -> None:
    assert {name for name, route in ROUTES.items() if requirement_of(route) is None} == PUBLIC


@pytest.mark.parametrize("name", OF_USERS)
async def test_no_token(client: httpx.AsyncClient, name: str) -> None:
    method, path = request_of(name)
    answer = await send(client, method, path, tenant="acme")
    assert answer.status_code == 401


@pytest.mark.parametrize("name", OF_TENANTS)
async def test_a_token_for_a_tenant_that_its_user_does_not_belong_to(
    factory: Factory, name: str
) -> None:
    user = await factory.user()
    await factory.join(user, "globex", Role.OWNER)
    forged = await factory.sign_in(user, "acme", Role.OWNER)
    assert await refused(forged, name, "acme") == "/problems/tenant-not-found"


@pytest.mark.parametrize("table", sorted(tenant_tree().metadata.tables))
async def test_a_tenants_table(database: Database, factory: Factory, table: str) -> None:
    acme = await factory.find_tenant("acme")

    async def read(source: str) -> None:
        async with database.tenant(acme.id) as session:
            await session.execute(text(f"SELECT * FROM {source}"))  # noqa: S608  names of our own

    await read(table)
    with pytest.raises(ProgrammingError, match="permission denied"):
        await read(f"tenant_globex.{table}")


@pytest.mark.parametrize("table", sorted(tenant_tree().metadata.tables))
async def test_a_tenants_table_without_its_tenant(database: Database, table: str) -> None:
    async def read(source: str) -> None:
        async with database.lobby() as session:
            await session.execute(text(f"SELECT * FROM {source}"))  # noqa: S608  names of our own

    with pytest.raises(ProgrammingError, match="does not exist"):
        await read(table)
    with pytest.raises(ProgrammingError, match="permission denied"):
        await read(f"tenant_acme.{table}")


@pytest.mark.parametrize("table", sorted(public_tree().metadata.tables))
async def test_a_table_of_the_lobby_in_a_tenants_session(
    database: Database, factory: Factory, table: str
) -> None:
    acme = await factory.find_tenant("acme")

    async def read() -> None:
        async with database.tenant(acme.id) as session:
            await session.execute(text(f"SELECT * FROM {table}"))  # noqa: S608  names of our own

    with pytest.raises(ProgrammingError, match="permission denied"):
        await read()
