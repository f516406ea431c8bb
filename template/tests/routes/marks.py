"""Rows of every table for one tenant, with the tenant's mark in each text and each key.

The tables come from the models, so your tables join. Where a CHECK refuses the row that is made up here, give its values
in a `ROWS` of the table's file in `tests/resources`: `ROWS = {"invoices": {"currency": "EUR"}}`.
"""

import base64
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Table,
    Uuid,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.core.identifiers import utcnow, uuid7
from app.models.trees import public_tree, tenant_tree
from tests.routes.tables import table

ROWS: Final[dict[str, Mapping[str, object]]] = {"tenant_invites": {"status": "pending"}}
"""Values that are not made up here, by table."""

SECRET: Final = re.compile(
    r"hash|digest|secret|passw|token|api_?key|cipher|encrypted|credential", re.IGNORECASE
)
"""Names of columns whose text no answer may hold, not even an answer to its owner."""

FEW, MANY = 101, 211
"""How many rows of a kind a tenant has at least: numbers that nothing else has."""

_KEPT: Final = {"slug", "status", "schema_name", "role_name"}
"""What a tenant cannot be found without."""

_TIMES: Final = (DateTime, Date)


def new_mark() -> str:
    """Return what no text holds by chance: twelve hexadecimal digits, which also end a UUID."""
    return secrets.token_hex(6)


def forms(text: str) -> Iterator[str]:
    """Yield a text, its bytes as hexadecimal digits, and its base64 at each of the three offsets."""
    raw = text.encode()
    yield text
    yield raw.hex()
    for before, cut in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        yield encoded[cut : (before + len(raw)) * 8 // 6]


@dataclass(slots=True)
class MarkedRows:
    """Writes what belongs to one tenant."""

    connection: asyncpg.Connection
    """Of the role that owns the tables."""
    tenant_id: UUID
    schema: str
    mark: str
    secret: str
    """What stands in the columns of `SECRET` instead."""
    made: dict[str, list[asyncpg.Record]] = field(default_factory=dict)
    """The newest rows, by table."""
    first: int = 0
    """The number of the next row."""

    async def add(self, count: int) -> None:
        """Add so many rows to each table that says whose its rows are; each table gets some more than the last one."""
        for place, (schema, each) in enumerate(self.tables()):
            await self._insert(schema, each, count + place * (count > 1))
        self.first += count + place

    @property
    def name(self) -> str:
        """The tenant's."""
        return self._text("name", None, self.first)

    @property
    def email(self) -> str:
        """An address of one of its people who asks for nothing: no mail to it is for somebody who does."""
        return self._text("email", None, self.first % FEW)

    def texts_of(self, name: str) -> set[str]:
        """Return what the newest row of each table has in a column of that name, if that tells whose it is."""
        newest = [rows[-1] for rows in self.made.values() if rows and name in rows[-1].keys()]  # noqa: SIM118  a Record is no mapping
        return {str(row[name]) for row in newest if self.mark in str(row[name])}

    async def rename(self) -> None:
        """Give the tenant another name, and `email` to another: the last ones may be somebody else's text by now."""
        self.first += 1
        await self.connection.execute(
            "UPDATE public.tenants SET name = $1 WHERE id = $2", self.name, self.tenant_id
        )

    async def sign(self, *user_ids: UUID) -> None:
        """Put the mark into the tenant's own row, and into the names of people, and secrets into their sessions."""
        [tenants] = (t for t in public_tree().metadata.tables.values() if t.name == "tenants")
        texts = {
            c.name: self._value(c, self.first)
            for c in tenants.columns
            if isinstance(_kind(c.type), String | JSON) and c.name not in _KEPT
        }
        changes = ", ".join(f"{name} = new.{name}" for name in texts)
        await self.connection.execute(
            f"UPDATE public.tenants t SET {changes} FROM jsonb_populate_record("  # noqa: S608  names of this code base
            "NULL::public.tenants, $1::jsonb) new WHERE t.id = $2",
            json.dumps(texts),
            self.tenant_id,
        )
        await self.connection.execute(
            "UPDATE public.users SET full_name = $1 WHERE id = ANY($2)",
            f"{self.mark} of {self.schema}",
            user_ids,
        )
        await self.connection.execute(
            "UPDATE public.refresh_tokens SET token_hash = convert_to($1 || id, 'UTF8')"
            " WHERE user_id = ANY($2)",
            self.secret,
            user_ids,
        )

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Yield each table whose rows belong to somebody, with the schema that has this tenant's."""
        # People first: most of what else there is belongs to one.
        shared = public_tree().metadata.sorted_tables
        people = [each for each in shared if each.name == "users"]
        for each in (*people, *(each for each in shared if each not in people)):
            if each.name != "tenants" and (each in people or _belongs(each)):
                yield "public", each
        for each in tenant_tree().metadata.sorted_tables:
            yield self.schema, each

    async def _insert(self, schema: str, each: Table, count: int) -> None:
        said = table("ROWS").get(each.name, {})
        columns = [c for c in each.columns if _is_written(c) or c.name in said]
        numbers = range(self.first, self.first + count)
        rows = [{c.name: self._value(c, n) for c in columns} | said for n in numbers]
        names = [c.name for c in columns]
        while True:
            listed = ", ".join(f'"{name}"' for name in names)
            name = f'"{schema}"."{each.name}"'
            try:
                found = await self.connection.fetch(
                    f"INSERT INTO {name} ({listed}) SELECT {listed}"  # noqa: S608  names of this code base
                    f" FROM jsonb_populate_recordset(NULL::{name}, $1::jsonb)"
                    " ON CONFLICT DO NOTHING RETURNING *",
                    json.dumps(rows, default=str),
                )
            except asyncpg.CheckViolationError as error:
                names = await self._without(error, each, names)
            else:
                self.made[each.name] = found or self.made.get(each.name, [])
                return

    async def _without(
        self, error: asyncpg.CheckViolationError, each: Table, names: list[str]
    ) -> list[str]:
        checked = await self.connection.fetch(
            "SELECT attname FROM pg_catalog.pg_constraint JOIN pg_catalog.pg_attribute"
            " ON attrelid = conrelid AND attnum = ANY(conkey)"
            " WHERE conname = $1 AND conrelid = to_regclass($2)",
            error.constraint_name,
            f'"{error.schema_name}"."{error.table_name}"',
        )
        free = {c for (c,) in checked if each.columns[c].nullable or each.columns[c].server_default}
        left = [name for name in names if name not in free]
        hint = f"{error}\nSay in a ROWS of tests/resources what a row of {each.name} needs."
        assert left != names, hint
        return left

    def _value(self, column: Column[Any], n: int) -> Any:
        if column.name == "tenant_id":
            return self.tenant_id
        for key in column.foreign_keys:
            rows = self.made.get(key.column.table.name)
            # A table that refers to itself has no rows yet.
            return rows[n % len(rows)][key.column.name] if rows else None
        kind = _kind(column.type)
        if isinstance(kind, Uuid) and re.search(r"user_id$|_by$", column.name):
            people = self.made["users"]
            return people[n % len(people)]["id"]
        if isinstance(kind, _TIMES):
            # What a row has to say of itself is a term.
            return utcnow() if column.default else utcnow() + timedelta(days=1)
        return self._made(column.name, kind, n)

    def _made(self, name: str, kind: TypeEngine[Any], n: int) -> Any:
        makers: list[tuple[Any, Callable[[Any], Any]]] = [
            (Enum, lambda enum: enum.enums[-1]),
            (Uuid, lambda _: self._key(n)),
            (LargeBinary, lambda _: "\\x" + self._text("secret", 32, n).encode().hex()),
            (ARRAY, lambda array: [self._made(name, _kind(array.item_type), n)]),
            (JSON, lambda _: {"note": self._text(name, None, n)}),
            (String, lambda string: self._text(name, string.length, n)),
            (Boolean, lambda _: False),
        ]
        # Never a number of rows.
        numbered = 1000 + n
        return next((make(kind) for made, make in makers if isinstance(kind, made)), numbered)

    def _key(self, n: int) -> str:
        # As UUIDs of version 7 are, but for the end; those of one moment differ in their number.
        return f"{uuid7().hex[:12]}7{n % 4096:03x}8{secrets.token_hex(2)[1:]}{self.mark}"

    def _text(self, name: str, length: int | None, n: int) -> str:
        # The first of a secret is its own mark; the other keeps two tenants' apart, where each is there once.
        mark = self.secret + self.mark if SECRET.search(name) else self.mark
        if length is not None and length < len(mark) + 4:
            return secrets.token_hex(length)[:length]
        text = f"{mark}-{n}@example.test" if "email" in name else f"{mark}-{n}-{name}"
        return text[:length]


def _kind(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    return _kind(type_.impl_instance) if isinstance(type_, TypeDecorator) else type_


def _belongs(each: Table) -> bool:
    return any(
        column.name in {"tenant_id", "user_id"}
        or any(
            key.column.table.name in {"users", "tenants"} or _belongs(key.column.table)
            for key in column.foreign_keys
            if key.column.table is not each
        )
        for column in each.columns
    )


def _is_written(column: Column[Any]) -> bool:
    kind = _kind(column.type)
    if column.computed or column.identity or column is column.table.autoincrement_column:
        return False
    if isinstance(kind, _TIMES):
        return not column.nullable
    known = (Boolean, Integer, Numeric, String, JSON, Uuid, LargeBinary, ARRAY)
    return isinstance(kind, known) or not column.nullable
