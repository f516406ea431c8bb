"""What `app migration` writes for the types of a team's models, and what it does not touch."""

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel
from sqlmodel import UTCDateTime

from app.core.db.query import Query
from app.core.identifiers import utcnow
from app.models.base import PublicBase, TenantBase
from app.services.migration_service import MigrationRefused
from tests.migrating import Migrating, write_revision

pytestmark = pytest.mark.slow


class Mood(enum.StrEnum):
    GOOD = "is good"
    BAD = "isn't"


class MoreMoods(enum.StrEnum):
    GOOD = "is good"
    BAD = "isn't"
    MIXED = "is mixed"


class Number(enum.IntEnum):
    ONE = 1


class Upper(sa.types.TypeDecorator[str]):
    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: sa.Dialect) -> str | None:
        return value and value.upper()


class Total(BaseModel):
    total: Decimal


class Thing(BaseModel):
    mood: Mood
    moods: list[Mood]
    price: Decimal


@pytest.fixture(autouse=True)
def scripts(own_migrations: Path) -> Path:
    """No test comes near the migrations of the service."""
    return own_migrations


@contextmanager
def things(
    *columns: sa.Column[Any],
    moods: type[enum.Enum] = Mood,
    price: str = "0",
    base: Any = TenantBase,
) -> Iterator[sa.Table]:
    """Have a model with a column of each kind, and further ones, as long as the block runs."""
    table = sa.Table(
        "tested_things",
        base.metadata,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("mood", sa.Enum(moods), nullable=False),
        sa.Column("moods", sa.ARRAY(sa.Enum(moods)), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("name", Upper(length=20)),
        sa.Column("price", sa.Numeric(12, 2), server_default=price, nullable=False),
        sa.Column("takes", sa.Interval()),
        sa.Column("title", sa.Text(), server_default="it's"),
        sa.Column("settings", sa.JSON(), server_default="{}"),
        sa.Column("lucky", sa.Integer(), server_default=sa.text("(random() * 9)::int")),
        *columns,
        schema=base.metadata.schema,
    )
    try:
        yield table
    finally:
        base.metadata.remove(table)


async def written(migrating: Migrating, tree: Any = "tenant") -> str:
    path = await migrating.service.write(tree, "things", empty=False)
    assert await migrating.service.migrate() == []
    return path.read_text()


@pytest.mark.parametrize(("base", "tree"), [(TenantBase, "tenant"), (PublicBase, "public")])
async def test_types_are_written_as_postgresql_has_them(
    migrating: Migrating, base: Any, tree: str
) -> None:
    with things(base=base):
        text = await written(migrating, tree)

    assert "sa.Column('mood', sa.String(length=32), nullable=False)" in text
    assert "sa.Column('moods', sa.ARRAY(sa.String(length=32)), nullable=False)" in text
    assert "sa.Column('at', sa.DateTime(timezone=True), nullable=False)" in text
    assert "sa.Column('name', sa.String(length=20), nullable=True)" in text
    assert "sa.Column('takes', sa.Interval(), nullable=True)" in text
    assert "import app" not in text


async def test_an_enumeration_is_stored_by_its_values(migrating: Migrating) -> None:
    with things() as table:
        await written(migrating)
        query = Query(sa.select(table.c.mood, table.c.moods, table.c.price), Thing)
        acme = await migrating.tenant("acme")
        async with migrating.work.database.tenant(acme.id) as session:
            values = {"mood": Mood.BAD, "moods": [Mood.GOOD, Mood.BAD], "at": utcnow()}
            await session.execute(sa.insert(table).values(**values))
            [thing] = await session.rows(query)
            [mood] = await session.scalars(sa.select(table.c.mood))
    assert thing == Thing(mood=Mood.BAD, moods=[Mood.GOOD, Mood.BAD], price=Decimal(0))
    assert mood is Mood.BAD


async def test_another_value_and_another_default_are_written(migrating: Migrating) -> None:
    with things():
        await written(migrating)
    with things(moods=MoreMoods, price="1"):
        text = await written(migrating)
        with pytest.raises(Exception, match="nothing to write"):
            await migrating.service.write("tenant", "again", empty=False)

    assert text.count("op.drop_constraint") == 4
    assert "mood IN ('is good', 'isn''t', 'is mixed')" in text.replace("\\'", "'")
    assert "server_default=" in text


async def test_code_that_is_ahead_is_named(migrating: Migrating) -> None:
    await migrating.service.check()
    with things():
        with pytest.raises(
            MigrationRefused, match=r"models of the tenant tree .* add_table tested_things"
        ):
            await migrating.service.check()
        await migrating.service.write("tenant", "things", empty=False)
        with pytest.raises(MigrationRefused, match="make migrate"):
            await migrating.service.check()


def test_what_cannot_be_stored_as_text_is_refused() -> None:
    for type_, said in ((sa.Enum(Number), "StrEnum"), (sa.Enum("a", name="of_mine"), "of_mine")):
        with pytest.raises(TypeError, match=said):
            sa.Table("others", TenantBase.metadata, sa.Column("x", type_))


MAKES_A_TYPE = [
    "CREATE TYPE mine AS ENUM ('a')",
    "CREATE DOMAIN mine AS int CHECK (VALUE > 0)",
    "CREATE TYPE mine AS (x int, y int)",
    "CREATE TYPE mine AS RANGE (subtype = int)",
]


@pytest.mark.parametrize("statement", MAKES_A_TYPE)
async def test_a_type_in_a_tenants_schema_is_refused(
    migrating: Migrating, scripts: Path, statement: str
) -> None:
    write_revision(scripts, f"op.execute({statement!r})")
    assert await migrating.service.migrate() == ["acme", "globex"]
    assert "mine would be another type in each tenant" in "\n".join(migrating.lines)
    assert "mine" not in (await migrating.recorded("acme"))


async def test_a_type_of_the_lobby_is_the_same_in_each_tenant(
    migrating: Migrating, scripts: Path
) -> None:
    await migrating.execute("CREATE DOMAIN public.amount AS numeric(12, 2)")
    write_revision(scripts, 'op.execute("CREATE TABLE totals (total public.amount)")')
    assert await migrating.service.migrate() == []
    totals = Query(sa.select(sa.literal_column("total")).select_from(sa.text("totals")), Total)
    for slug in ("acme", "globex", "acme"):
        tenant = await migrating.tenant(slug)
        async with migrating.work.database.tenant(tenant.id) as session:
            await session.execute(sa.text("INSERT INTO totals VALUES (1.5)"))
            assert (await session.rows(totals))[0] == Total(total=Decimal("1.50"))


async def test_what_no_migration_of_this_project_made_is_never_dropped(
    migrating: Migrating,
) -> None:
    await migrating.execute("CREATE TABLE public.of_another_tool (id int)")
    with things(sa.Column("plan", sa.Text()), base=PublicBase):
        text = await written(migrating, "public")
    assert "of_another_tool" not in text

    text = await written(migrating, "public")
    assert "op.drop_table('tested_things', schema='public')" in text
    assert "of_another_tool" not in text.partition("def downgrade")[0]
