"""Extensions: made by a migration, found in every tenant, and the same for the lobby."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, SecretStr
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import ProgrammingError

from app.core.db import autogenerate
from app.core.db.extensions import ExtensionRefused
from app.core.db.query import Query
from app.models.base import PublicBase, TenantBase
from tests.migrating import Migrating, write_revision
from tests.shell import Shell

pytestmark = pytest.mark.slow

NAMES = ("citext", "hstore", "pg_trgm")
MAKES = "\n".join(f'op.execute("CREATE EXTENSION IF NOT EXISTS {name}")' for name in NAMES)


class Vector(sa.types.UserDefinedType[Any]):
    cache_ok = True

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def get_col_spec(self, **_options: Any) -> str:
        return f"VECTOR({self.dim})"


class Cube(sa.types.UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        return "cube"


class Row(BaseModel):
    email: str


@pytest.fixture(autouse=True)
def scripts(own_migrations: Path) -> Path:
    """No test comes near the migrations of the service."""
    return own_migrations


@contextmanager
def people(base: Any) -> Iterator[sa.Table]:
    """Have a model of people whose address is the same in either case, as long as the block runs."""
    table = sa.Table(
        "people",
        base.metadata,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("email", postgresql.CITEXT(), nullable=False),
        sa.Column("labels", postgresql.HSTORE()),
        sa.UniqueConstraint("email"),
        sa.Index(
            "ix_people_similar",
            "email",
            postgresql_using="gin",
            postgresql_ops={"email": "gin_trgm_ops"},
        ),
        schema=base.metadata.schema,
    )
    try:
        yield table
    finally:
        base.metadata.remove(table)


async def migrated(migrating: Migrating, scripts: Path, tree: Any) -> str:
    write_revision(scripts, MAKES, "public")
    assert await migrating.service.migrate() == []
    path = await migrating.service.write(tree, "people", empty=False)
    assert await migrating.service.migrate() == []
    with pytest.raises(Exception, match="nothing to write"):
        await migrating.service.write(tree, "again", empty=False)
    return path.read_text()


@pytest.mark.parametrize(("base", "tree"), [(TenantBase, "tenant"), (PublicBase, "public")])
async def test_types_and_operators_are_found(
    migrating: Migrating, scripts: Path, base: Any, tree: str
) -> None:
    with people(base) as table:
        text = await migrated(migrating, scripts, tree)
        assert "postgresql.CITEXT()" in text
        found = Query(sa.select(table.c.email).where(table.c.email == sa.bindparam("email")), Row)
        similar = sa.select(table.c.id).where(table.c.email.op("%")("ada@exampel.com"))
        for number, slug in enumerate(("acme", "globex", "acme")):
            tenant = await migrating.tenant(slug)
            database = migrating.work.database
            opens = database.lobby() if tree == "public" else database.tenant(tenant.id)
            async with opens as session:
                email = f"Ada{number}@Example.com"
                await session.execute(sa.insert(table).values(email=email, labels={"a": "b"}))
                assert await session.rows(found, email=email.lower()) == [Row(email=email)]
                same = sa.select(table.c.labels).where(table.c.email == email.upper())
                assert await session.scalar(same) == {"a": "b"}
                assert await session.scalars(similar)


async def test_an_administrator_makes_what_migrations_name(
    migrating: Migrating, scripts: Path, admin_url: str
) -> None:
    write_revision(scripts, 'op.execute("CREATE EXTENSION IF NOT EXISTS cube")', "public")
    migrating.service.settings = migrating.service.settings.model_copy(
        update={"admin_url": SecretStr(admin_url)}
    )
    assert await migrating.service.migrate() == []
    assert migrating.lines[0] == "extension cube: created"

    table = sa.Table("faces", TenantBase.metadata, sa.Column("at", Cube(), primary_key=True))
    try:
        text = (await migrating.service.write("tenant", "faces", empty=False)).read_text()
        assert await migrating.service.migrate() == []
        with pytest.raises(Exception, match="nothing to write"):
            await migrating.service.write("tenant", "again", empty=False)
    finally:
        TenantBase.metadata.remove(table)
    assert f"import {__name__}" in text
    for slug in ("acme", "globex", "acme"):
        tenant = await migrating.tenant(slug)
        async with migrating.work.database.tenant(tenant.id) as session:
            await session.execute(sa.delete(table))
            await session.execute(sa.insert(table).values(at="(1,2)"))
            distance = table.c.at.op("<->", return_type=sa.Float())
            assert await session.scalar(sa.select(distance(sa.cast("(1,0)", Cube())))) == 2


def test_a_type_with_parameters_is_recognised() -> None:
    names: dict[str, Any] = {}
    columns = [sa.Column("face", Vector(2)), sa.Column("at", Cube())]
    sa.Table("faces", metadata := sa.MetaData(), *columns)
    autogenerate.recognise_types(metadata, names)
    assert names["vector"](3).dim == 3
    assert isinstance(names["cube"](), Cube)


def test_what_only_an_administrator_may_create_is_said(shell: Shell, scripts: Path) -> None:
    write_revision(scripts, 'op.execute("CREATE EXTENSION IF NOT EXISTS vector")', "public")
    outcome = shell.run("migrate")
    assert outcome.code == 1
    assert "An administrator may: run `app bootstrap`" in outcome.err


async def test_an_extension_is_in_no_tenants_schema(migrating: Migrating, scripts: Path) -> None:
    write_revision(scripts, 'op.execute("CREATE EXTENSION citext")')
    assert await migrating.service.migrate() == ["acme", "globex"]
    assert "citext would be another type in each tenant" in "\n".join(migrating.lines)


async def test_an_administrator_may_have_been_there_before(
    migrating: Migrating, scripts: Path
) -> None:
    write_revision(scripts, 'op.execute("create extension citext")', "public")
    with pytest.raises(
        ExtensionRefused, match=r"mine\.py: write CREATE EXTENSION IF NOT EXISTS citext"
    ):
        await migrating.service.migrate()


@pytest.mark.parametrize("schema", ["public", "mine"])
async def test_an_extension_that_nobody_finds_is_refused(
    migrating: Migrating, scripts: Path, schema: str
) -> None:
    await migrating.execute("CREATE SCHEMA mine")
    path = write_revision(
        scripts, f'op.execute("CREATE EXTENSION IF NOT EXISTS citext SCHEMA {schema}")', "public"
    )
    with pytest.raises(ExtensionRefused, match=f"citext is in the schema {schema}"):
        await migrating.service.migrate()
    path.unlink()
    # The refused migration left nothing; by hand it would.
    assert await migrating.service.migrate() == []
    await migrating.execute(f"CREATE EXTENSION citext SCHEMA {schema}")
    with pytest.raises(ExtensionRefused, match="ALTER EXTENSION citext SET SCHEMA extensions"):
        await migrating.service.migrate()
    await migrating.execute("DROP EXTENSION citext")
    assert await migrating.service.migrate() == []


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE astray (id int)", "CREATE FUNCTION astray() RETURNS int RETURN 1"]
)
async def test_nothing_else_gets_into_the_schema_of_extensions(
    migrating: Migrating, scripts: Path, statement: str
) -> None:
    write_revision(scripts, f'op.execute("{statement}")', "public")
    with pytest.raises(ExtensionRefused, match="astray would be in the schema of extensions"):
        await migrating.service.migrate()
    for opens in (
        migrating.work.database.lobby(),
        migrating.work.database.tenant((await migrating.tenant("acme")).id),
    ):
        with pytest.raises(ProgrammingError, match="permission denied for schema extensions"):
            async with opens as session:
                await session.execute(sa.text("CREATE TABLE extensions.astray (id int)"))
