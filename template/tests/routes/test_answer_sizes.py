"""No answer is larger than `ANSWER_BYTES`, whatever a tenant stores: one large answer holds up every other request.

The sizes are added up from the OpenAPI document: a list without `maxItems` and an object without fields have no bound,
nor has a text without `maxLength`, unless each column of its name has one. A page counts as what it may carry. A route that has to answer more, an export for
example, is in a `LARGER` of its file in `tests/resources`: its name, and why that is no harm.
"""

import json
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy import Numeric, bindparam, select
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from app.core.identifiers import uuid7
from app.core.roles import Role
from app.models.public.audit_logs import AuditLog
from app.models.public.tenants import Tenant, TenantStatus
from app.models.trees import public_tree, tenant_tree
from app.repositories.pages import Pages
from app.schemas.audit_logs import DETAIL_BYTES
from app.schemas.base import ANSWER_BYTES, NEWEST, PAGE_BYTES, PageRequest, Position
from tests.factories import Factory, SignedIn
from tests.routes.requests import ROUTES
from tests.routes.tables import table

BYTES_OF_A_CHARACTER: Final = 6
"""A control character: `\\u0001`. Others take four at most."""
FIXED: Final = {
    "uuid": 38,
    "date-time": 40,
    "date": 12,
    "time": 25,
    "duration": 30,
    **dict.fromkeys(("ipvanyaddress", "ipv4", "ipv6", "ipv4network", "ipv6network"), 50),
    "boolean": 5,
    "integer": 20,
    "number": 25,
    "null": 4,
}
LARGEST: Final = "\x01" * 10_000
ROW: Final = """
    INSERT INTO public.audit_logs
        (id, occurred_at, action, tenant_id, entity_type, entity_id, before, after)
    VALUES ($1, now(), $2, $3, 'tenant', 'x', $4, $5)
"""


class Unbounded(Exception):
    """What in an answer may have any size."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What values take as JSON at most, by what the OpenAPI document says of them."""

    schemas: dict[str, Any]

    def of(self, schema: dict[str, Any], where: str = "") -> int:
        """Return bytes; `where` leads to the value."""
        if "$ref" in schema:
            return self._named(schema["$ref"].rpartition("/")[2], where)
        if "anyOf" in schema:
            return max(self.of(choice, where) for choice in schema["anyOf"])
        if "const" in schema or "enum" in schema:
            return max(len(json.dumps(v)) for v in schema.get("enum", [schema.get("const")]))
        size = self._by_length(schema, where)
        if size is None:
            raise Unbounded(where or "/")
        return size

    def _named(self, name: str, where: str) -> int:
        if not name.startswith("Page_"):
            return self.of(self.schemas[name], where)
        row = self.schemas[name]["properties"]["items"]["items"]
        return max(PAGE_BYTES, self.of(row, f"{where}/items")) + 500

    def _by_length(self, schema: dict[str, Any], where: str) -> int | None:
        match schema:
            case {"x-max-bytes": size}:
                return int(size)
            case {"properties": fields} if not schema.get("additionalProperties"):
                parts = {name: self.of(field, f"{where}/{name}") for name, field in fields.items()}
                return 2 + sum(len(name) + 5 + size for name, size in parts.items())
            case {"type": "array", "items": items, "maxItems": count}:
                return 2 + int(count) * (1 + self.of(items, f"{where}/0"))
            case {"type": "string", "maxLength": length}:
                return 2 + int(length) * BYTES_OF_A_CHARACTER
            case {"type": "string"} if "format" not in schema:
                length = _longest_in_columns(where.rpartition("/")[2])
                return length and 2 + length * BYTES_OF_A_CHARACTER
        return FIXED.get(schema.get("format", schema.get("type", "")))


def _longest_in_columns(name: str) -> int | None:
    trees = (public_tree(), tenant_tree())
    tables = [table for tree in trees for table in tree.metadata.tables.values()]
    columns = [table.columns[name] for table in tables if name in table.columns]
    lengths = [length for column in columns if (length := _length(column.type))]
    return max(lengths, default=None) if len(lengths) == len(columns) else None


def _length(type_: TypeEngine[Any]) -> int | None:
    if isinstance(type_, Numeric) and type_.precision:
        # Its digits, a sign, a point and a zero before it.
        return type_.precision + 3
    return getattr(type_, "length", None)


def answers_of(app: FastAPI, route: APIRoute) -> list[dict[str, Any]]:
    """Return the schemas of what a route answers with, problems left out; `{}` for what is not described."""
    # A route that is left out of the document has none.
    return [
        media.get("schema", {})
        for path in app.openapi()["paths"].values()
        for operation in path.values()
        if operation["operationId"] == route.name
        for status, response in operation["responses"].items()
        if status.startswith("2")
        for media in response.get("content", {}).values()
    ]


@pytest.mark.parametrize("name", ROUTES)
def test_an_answer_has_a_largest_size(app: FastAPI, name: str) -> None:
    schemas = app.openapi()["components"]["schemas"]
    # Events are sent one by one, however many there are.
    if name in table("LARGER") or ROUTES[name].is_sse_stream:
        return
    try:
        sizes = [Sizes(schemas).of(schema) for schema in answers_of(app, ROUTES[name])]
    except Unbounded as exc:
        pytest.fail(
            f"{name}: {exc} of the answer can have any size. Say at_most(…) or at_most_bytes(…) in its schema"
            " (app.schemas.base), or put the route into LARGER (tests/routes/test_answer_sizes.py)."
        )
    assert max(sizes, default=0) <= ANSWER_BYTES


async def all_of(caller: SignedIn, path: str, **params: Any) -> tuple[list[dict[str, Any]], int]:
    """Return every row of a list, and how many pages it took; each page is within its bound."""
    rows, pages, cursor = list[dict[str, Any]](), 0, None
    while pages == 0 or cursor:
        query = {"limit": 100, **params, **({"cursor": cursor} if cursor else {})}
        answer = await caller.get(path, params=query)
        assert answer.status_code == 200, answer.text
        assert len(answer.content) <= ANSWER_BYTES
        rows += answer.json()["items"]
        cursor, pages = answer.json()["next_cursor"], pages + 1
    return rows, pages


async def test_a_page_of_large_rows_ends_early(factory: Factory) -> None:
    owner = await factory.member("acme", Role.OWNER)
    made = []
    for _ in range(6):
        answer = await owner.post("/projects", {"name": str(uuid7()), "description": LARGEST})
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["id"])
    page = (await owner.get("/projects", params={"limit": 6})).json()
    assert [row["id"] for row in page["items"]] == made[::-1][: len(page["items"])]
    assert 1 <= len(page["items"]) < 6
    assert page["next_cursor"] is not None
    for id in made:
        await owner.delete(f"/projects/{id}")


async def test_rows_of_an_older_release_are_served_within_the_bound(
    factory: Factory, tenant: Tenant, owner_connection: asyncpg.Connection
) -> None:
    admin = await factory.member(tenant.slug, Role.ADMIN)
    large = json.dumps({"metadata": {"text": "x" * 16_000}})
    huge = json.dumps({"metadata": {"text": "x" * 200_000}})
    for number in range(40):
        await owner_connection.execute(
            ROW,
            uuid7(), f"old.{number}", tenant.id, large, huge if number == 20 else large,
        )  # fmt: skip
    rows, pages = await all_of(admin, "/audit-logs")
    assert [row["action"] for row in rows] == [f"old.{number}" for number in reversed(range(40))]
    assert pages >= 40 * 32_000 // PAGE_BYTES
    filtered, _ = await all_of(admin, "/audit-logs", action="old.20", entity_id="x")
    assert [len(row["after"]["metadata"]["text"]) for row in filtered] == [200_000]


async def test_large_rows_are_not_read_to_be_thrown_away(
    factory: Factory, tenant: Tenant, owner_connection: asyncpg.Connection
) -> None:
    large = json.dumps({"text": "x" * 30_000})
    for _ in range(20):
        await owner_connection.execute(ROW, uuid7(), "old", tenant.id, None, large)
    read = list[UUID]()

    class Row(BaseModel):
        id: UUID

        def model_post_init(self, _context: object) -> None:
            read.append(self.id)

    pages = Pages(
        select(AuditLog).where(col(AuditLog.tenant_id) == bindparam("tenant_id")),
        Row,
        at=col(AuditLog.occurred_at),
        id=col(AuditLog.id),
    )
    seen, cursor = list[UUID](), NEWEST
    async with factory.components.database.lobby() as lobby:
        page = await pages.read(lobby, PageRequest(100, cursor), tenant_id=tenant.id)
        seen += [row.id for row in page.items]
        assert len(read) == len(seen) == PAGE_BYTES // 30_000 + 1
        while page.next_cursor:
            cursor = Position.decode(page.next_cursor)
            page = await pages.read(lobby, PageRequest(100, cursor), tenant_id=tenant.id)
            seen += [row.id for row in page.items]
    assert len(seen) == len(set(seen)) == 20


async def test_many_tenants_with_large_metadata(
    factory: Factory, owner_connection: asyncpg.Connection
) -> None:
    user = await factory.user()
    made = []
    for _ in range(20):
        tenant = await factory.tenant(status=TenantStatus.READY)
        await factory.join(user, tenant.slug, Role.OWNER)
        made.append(str(tenant.id))
    await owner_connection.execute(
        "UPDATE public.tenants SET metadata = jsonb_build_object('text', repeat('x', 16000)) WHERE id = any($1)",
        made,
    )
    rows, pages = await all_of(await factory.sign_in(user), "/tenants")
    assert [row["id"] for row in rows] == made[::-1]
    assert pages > 1
    everybodys, _ = await all_of(await factory.signed_in(superuser=True), "/admin/tenants")
    ids = [row["id"] for row in everybodys]
    assert len(ids) == len(set(ids))
    assert set(made) <= set(ids)
    ready, _ = await all_of(
        await factory.signed_in(superuser=True), "/admin/tenants", status="ready"
    )
    assert set(made) <= {row["id"] for row in ready}


async def test_the_audit_trail_keeps_what_changed(factory: Factory, tenant: Tenant) -> None:
    owner = await factory.member(tenant.slug, Role.OWNER)
    small = {"plan": "a", "seats": {"used": 1, "free": 2}}
    for metadata in (
        small,
        {"plan": "a", "seats": {"used": True, "free": 2}},
        {"text": "é" * 8000},
    ):
        answer = await owner.patch("/tenant", {"metadata": metadata})
        assert answer.status_code == 200, answer.text
    last, middle, _ = (await owner.get("/audit-logs")).json()["items"]
    assert middle["before"]["metadata"] == {"seats": {"used": 1}}
    assert middle["after"]["metadata"] == {"seats": {"used": True}}
    assert "name" not in middle["after"]
    assert last["after"]["metadata"]["omitted_bytes"] > 16_000
    for side in ("before", "after"):
        assert len(json.dumps(last[side]).encode()) <= DETAIL_BYTES
