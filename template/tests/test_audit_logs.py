"""The audit log of a tenant."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.core.identifiers import uuid7
from app.core.roles import Role
from app.models.public.tenants import Tenant
from app.services.audit_trail import Actor, AuditTrail
from tests.factories import Factory, SignedIn


@pytest.fixture
async def admin(factory: Factory, tenant: Tenant) -> SignedIn:
    """An admin of it."""
    return await factory.member(tenant.slug, Role.ADMIN)


async def record(
    factory: Factory,
    tenant: Tenant,
    action: str,
    *,
    entity: tuple[str, UUID] | None = None,
    user_id: UUID | None = None,
) -> str:
    kind, id = entity or ("thing", uuid7())
    async with factory.components.database.lobby() as lobby:
        await AuditTrail(lobby, Actor(tenant_id=tenant.id, user_id=user_id)).record(
            action, kind, id
        )
    return action


async def actions(caller: SignedIn, **params: Any) -> list[str]:
    answer = await caller.get("/audit-logs", params=params)
    assert answer.status_code == 200, answer.text
    return [item["action"] for item in answer.json()["items"]]


async def test_a_row_tells_who_changed_what_from_where(factory: Factory, tenant: Tenant) -> None:
    owner = await factory.member(tenant.slug, Role.OWNER)
    changed = await owner.patch("/tenant", {"name": "After"}, headers={"X-Request-ID": "abc-123"})
    assert changed.status_code == 200, changed.text
    [row] = (await owner.get("/audit-logs")).json()["items"]
    assert row["occurred_at"] <= datetime.now(UTC).isoformat()
    assert row == {
        "id": row["id"],
        "occurred_at": row["occurred_at"],
        "action": "tenant.updated",
        "user_id": str(owner.user_id),
        "assumed_by": None,
        "entity_type": "tenant",
        "entity_id": str(tenant.id),
        "ip_address": row["ip_address"],
        "request_id": changed.headers["X-Request-ID"],
        "before": row["before"],
        "after": row["after"],
    }
    assert (row["before"]["name"], row["after"]["name"]) == (tenant.name, "After")


async def test_it_comes_in_pages_newest_first(
    factory: Factory, tenant: Tenant, admin: SignedIn
) -> None:
    written = [await record(factory, tenant, f"thing.{number}") for number in range(5)]
    seen, cursor = [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await admin.get("/audit-logs", params=params)).json()
        seen += [item["action"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == written[::-1]


async def test_it_is_filtered(factory: Factory, tenant: Tenant, admin: SignedIn) -> None:
    user_id, thing = uuid7(), ("thing", uuid7())
    await record(factory, tenant, "thing.made", entity=thing, user_id=user_id)
    await record(factory, tenant, "thing.moved", entity=thing)
    await record(factory, tenant, "thing.made")
    await record(factory, tenant, "other.made", entity=("other", thing[1]))
    history = {"entity_type": "thing", "entity_id": str(thing[1])}
    assert await actions(admin, **history) == ["thing.moved", "thing.made"]
    assert await actions(admin, **history, action="thing.made") == ["thing.made"]
    assert await actions(admin, entity_id=str(thing[1])) == [
        "other.made",
        "thing.moved",
        "thing.made",
    ]
    assert await actions(admin, user_id=str(user_id)) == ["thing.made"]
    assert await actions(admin, action="nothing.made") == []


async def test_a_period_includes_its_start_and_not_its_end(
    factory: Factory, tenant: Tenant, admin: SignedIn
) -> None:
    for number in range(3):
        await record(factory, tenant, f"thing.{number}")
    rows = (await admin.get("/audit-logs")).json()["items"]
    middle = rows[1]["occurred_at"]
    assert await actions(admin, since=middle) == ["thing.2", "thing.1"]
    assert await actions(admin, until=middle) == ["thing.0"]
    assert await actions(admin, since=middle, until=rows[0]["occurred_at"]) == ["thing.1"]
    east = datetime.fromisoformat(middle) + timedelta(hours=2)
    assert await actions(admin, until=east.isoformat().replace("+00:00", "+02:00")) == ["thing.0"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("user_id=me", "/query/user_id"),
        ("since=yesterday", "/query/since"),
        ("since=2026-01-01T00:00:00", "/query/since"),
        ("since=0001-01-01T00:00:00%2B14:00", "/query/since"),
        ("until=9999-12-31T23:59:59-14:00", "/query/until"),
        ("until=99999999999999999999", "/query/until"),
        ("since=0.5", "/query/since"),
        ("until=1767225600", "/query/until"),
        ("action=%00", "/query/action"),
        (f"action={'x' * 65}", "/query/action"),
        ("entity_type=a%00b", "/query/entity_type"),
        ("entity_id=%00", "/query/entity_id"),
        ("limit=0", "/query/limit"),
        ("cursor=x", "/query/cursor"),
    ],
)
async def test_a_wrong_filter_is_refused(admin: SignedIn, query: str, pointer: str) -> None:
    answer = await admin.get(f"/audit-logs?{query}")
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("value", ["' OR 1=1 --", "%25", "\U0001f600", "%ff"])
async def test_odd_words_find_nothing(admin: SignedIn, value: str) -> None:
    answer = await admin.get(f"/audit-logs?action={value}&entity_id={value}")
    assert answer.json() == {"items": [], "next_cursor": None}


async def test_nobody_changes_it(client: httpx.AsyncClient, admin: SignedIn) -> None:
    assert (await client.get("/api/v1/audit-logs")).status_code == 401
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await admin.call(method, "/audit-logs")).status_code == 405
