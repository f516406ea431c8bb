"""The slug rule is one rule: in the API, in the model and in the database."""

import random
from collections.abc import Sequence
from itertools import product
from typing import Any, Final

import asyncpg
import pytest
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import CheckConstraint

from app.core.db import tenancy
from app.core.slugs import SLUG_MAX_LENGTH, Slug
from app.models.public.tenants import Tenant

GOOD: Final = (
    *("acme", "a", "0", "republic", "public", "pg-catalog", "a-b", "a_b", "tenant", "tenant_a"),
    "a" * SLUG_MAX_LENGTH,
    "a-" * (SLUG_MAX_LENGTH // 2 - 1) + "bc",
    # As long as a UUID's digits, and no UUID.
    "g" * 32,
    "0123456789abcdef0123456789abcde",
    "0123456789abcdef0123456789abcdef0",
    "0x" + "0123456789abcdef" * 2,
    "0x0123456789abcdef0123456789abcd",
    "01234567_9abcdef_1234567_9abcdef",
)
BAD: Final = (
    *("", "-", "_", "-a", "a-", "_a", "a_", "a--b", "a__b", "a-_b", "A", "a b", " a", "a ", "a.b"),
    *(
        "a\n",
        "\na",
        "a\nb",
        "é",
        "ß",
        "\uff41",
        "\u0663",
        "a/b",
        "a'b",
        'a"b',
        "a;b",
        "a%b",
        "a\\b",
    ),
    "a" * (SLUG_MAX_LENGTH + 1),
    "0123456789abcdef" * 2,
    "01234567-89ab-cdef-0123-456789abcdef",
    "0-123456789abcdef0123456789abcdef",
)
_ADAPTER: Final[TypeAdapter[str]] = TypeAdapter(Slug)

# Characters, and how many of them: what is nearly a slug or a UUID, and whatever else PostgreSQL can hold.
_FAMILIES: Final[tuple[tuple[Sequence[int], int, int], ...]] = (
    (b"ab01-_", 0, 6),
    (b"0123456789abcdefx-_", 30, 38),
    (b"az09-_", 54, 58),
    (range(1, 0xD800), 0, 8),
    (range(0xE000, 0x110000), 0, 8),
)


def candidates() -> list[str]:
    short = ["".join(letters) for n in range(4) for letters in product("aZ0-_ é", repeat=n)]
    # The same ones in each run.
    chance = random.Random(0)  # noqa: S311  nothing secret
    generated = [
        "".join(map(chr, chance.choices(characters, k=chance.randint(shortest, longest))))
        for characters, shortest, longest in _FAMILIES
        for _ in range(200)
    ]
    return [*GOOD, *BAD, *short, *generated]


def accepted_by_api(value: str) -> bool:
    try:
        return _ADAPTER.validate_python(value) == value
    except ValidationError:
        return False


def check_of_model() -> str:
    table: Any = Tenant
    for constraint in table.__table__.constraints:
        if isinstance(constraint, CheckConstraint) and constraint.name == "ck_tenants_slug":
            return str(constraint.sqltext)
    raise AssertionError("the model has no CHECK for slugs")


@pytest.mark.parametrize("slug", GOOD)
def test_a_slug_names_a_schema_that_fits_postgresql(slug: str) -> None:
    assert accepted_by_api(slug)
    schema = tenancy.schema_name(slug)
    assert tenancy.quoted(schema) == f'"{schema}"'
    assert len(schema.encode()) <= tenancy.NAME_MAX_BYTES


@pytest.mark.parametrize("slug", BAD)
def test_anything_else_is_refused(slug: str) -> None:
    assert not accepted_by_api(slug)


async def test_api_model_and_database_agree(owner_connection: asyncpg.Connection) -> None:
    values = candidates()
    migrated = await owner_connection.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_tenants_slug'"
    )
    rows = await owner_connection.fetch(
        f"SELECT slug, ({check_of_model()}), ({migrated.removeprefix('CHECK ')})"  # noqa: S608  two CHECKs of this code base
        " FROM unnest($1::text[]) WITH ORDINALITY AS t(slug, n) ORDER BY n",
        values,
    )
    verdicts = [accepted_by_api(value) for value in values]
    disagreed = [
        (*row, verdict)
        for row, verdict in zip(rows, verdicts, strict=True)
        if len({row[1], row[2], verdict}) > 1
    ]
    assert not disagreed, f"slug, model, database, API: {disagreed}"
