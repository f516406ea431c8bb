"""No table lets one tenant reach another; tables that you add join by themselves. Routes: `tests/routes`."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.core.db.database import Database
from app.models.trees import public_tree, tenant_tree
from tests.factories import Factory


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
