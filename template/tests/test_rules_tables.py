"""Tables: two trees, and migrations that lead to the models, CHECKs and partial indexes included."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Table, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlmodel import SQLModel

from app.core.db import migrations, tenancy
from app.core.db.engine import create_owner_engine
from app.core.db.migrations import Tree
from app.core.settings import DatabaseSettings
from app.models.trees import public_tree, tenant_tree

pytestmark = pytest.mark.slow

PUBLIC, TENANT = public_tree(), tenant_tree()
SCHEMAS: Final = {"public": "public", "tenant": "tenant_acme"}

# Alembic's comparison leaves out CHECKs, predicates of indexes and what foreign keys do on deletion.
DEFINITIONS: Final = text("""
    WITH described AS (
        SELECT oid, relname FROM pg_catalog.pg_class
        WHERE relnamespace = to_regnamespace(:schema) AND relkind = 'r' AND relname <> 'alembic_version'
    )
    SELECT relname, conname, pg_get_constraintdef(c.oid)
    FROM described t JOIN pg_catalog.pg_constraint c ON c.conrelid = t.oid
    UNION ALL
    SELECT relname, indexrelid::regclass::text, pg_get_indexdef(indexrelid)
    FROM described t JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
    UNION ALL
    SELECT relname, attname,
           concat_ws(' ', format_type(atttypid, atttypmod), pg_get_expr(adbin, adrelid))
    FROM described t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE attnum > 0 AND NOT attisdropped
""")


@pytest.fixture
async def owner(database_settings: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    engine = create_owner_engine(database_settings)
    yield engine
    await engine.dispose()


def tables() -> Iterator[tuple[str, Table]]:
    pending: list[Any] = [SQLModel]
    while pending:
        model = pending.pop()
        pending += model.__subclasses__()
        if hasattr(model, "__table__") and model.__module__.startswith("app."):
            yield model.__module__, model.__table__


async def definitions(connection: AsyncConnection, schema: str) -> set[tuple[str, ...]]:
    rows = await connection.execute(DEFINITIONS, {"schema": schema})
    return {tuple(value.replace(f"{schema}.", "") for value in row) for row in rows}


def test_each_model_is_in_the_tree_of_its_folder() -> None:
    trees: dict[str, set[Table]] = {
        tree.name: set(tree.metadata.tables.values()) for tree in (PUBLIC, TENANT)
    }
    for module, table in tables():
        folder = module.removeprefix("app.models.").partition(".")[0]
        assert table in trees.get(folder, ()), (
            f"{table} of {module} is in the other tree or in none"
        )


def test_lobby_tables_alone_name_their_schema() -> None:
    assert {table.schema for table in PUBLIC.metadata.tables.values()} == {"public"}
    assert {table.schema for table in TENANT.metadata.tables.values()} == {None}


def test_no_foreign_key_leaves_a_tenants_schema() -> None:
    for table in TENANT.metadata.tables.values():
        for key in table.foreign_keys:
            assert key.column.table.metadata is TENANT.metadata, f"{key.parent} (ADR 0002)"


@pytest.mark.parametrize("tree", [PUBLIC, TENANT], ids=lambda tree: tree.name)
async def test_autogenerate_finds_nothing_to_write(owner: AsyncEngine, tree: Tree) -> None:
    await migrations.check(owner, tree, schema=None if tree.schema else SCHEMAS[tree.name])


@pytest.mark.parametrize("tree", [PUBLIC, TENANT], ids=lambda tree: tree.name)
async def test_migrations_make_what_the_models_describe(owner: AsyncEngine, tree: Tree) -> None:
    def create(connection: Connection) -> None:
        translated = connection.execution_options(schema_translate_map={tree.schema: "described"})
        tree.metadata.create_all(translated)

    async with owner.connect() as connection:
        await connection.execute(text(tenancy.LOBBY_PATH))
        await connection.execute(text("CREATE SCHEMA described"))
        await connection.run_sync(create)
        described = await definitions(connection, "described")
        migrated = await definitions(connection, SCHEMAS[tree.name])
        await connection.rollback()
    assert migrated == described
