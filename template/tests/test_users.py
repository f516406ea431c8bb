"""The signed-in user, through the API."""

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.core.db.database import Database
from app.core.roles import Role
from app.models.public.audit_logs import AuditLog
from app.models.public.tenants import TenantStatus
from tests.factories import Factory


async def test_a_user_sees_itself(factory: Factory) -> None:
    user = await factory.signed_in()
    me = (await user.get("/users/me")).json()
    assert set(me) == {
        "id",
        "email",
        "full_name",
        "email_verified",
        "is_superuser",
        "created_at",
    }
    assert (me["id"], me["email"]) == (str(user.user_id), user.email)
    assert (me["email_verified"], me["is_superuser"]) == (True, False)


async def test_a_user_changes_its_name(factory: Factory, database: Database) -> None:
    user = await factory.signed_in()
    changed = await user.patch("/users/me", {"full_name": "  Grace Hopper "})
    assert changed.status_code == 200
    assert changed.json()["full_name"] == "Grace Hopper"
    assert (await user.get("/users/me")).json() == changed.json()
    assert (await user.patch("/users/me", {})).json() == changed.json()
    async with database.lobby() as lobby:
        rows = await lobby.scalars(
            select(AuditLog).where(
                col(AuditLog.user_id) == user.user_id, col(AuditLog.action) == "user.updated"
            )
        )
    assert len(rows) == 1, "what changes nothing leaves no row"
    assert rows[0].before is not None
    assert rows[0].after is not None
    assert (rows[0].before["full_name"], rows[0].after["full_name"]) == (
        "Test User",
        "Grace Hopper",
    )


@pytest.mark.parametrize(
    "body",
    [
        {"full_name": ""},
        {"full_name": None},
        {"full_name": "nul \x00"},
        {"full_name": "a\x1b[2Jb"},
        {"full_name": "a\u2028b"},
        {"full_name": "a\u2066b"},
        {"full_name": "x" * 201},
        {"email": "other@example.test"},
        {"is_superuser": True},
        {"email_verified": True},
        {"id": "00000000-0000-7000-8000-000000000000"},
    ],
)
async def test_nothing_else_can_be_changed(factory: Factory, body: dict[str, object]) -> None:
    user = await factory.signed_in()
    before = (await user.get("/users/me")).json()
    assert (await user.patch("/users/me", body)).status_code == 422
    assert (await user.get("/users/me")).json() == before


async def test_a_user_sees_its_tenants_in_pages(factory: Factory) -> None:
    user = await factory.user()
    closed = await factory.tenant(status=TenantStatus.SUSPENDED)
    deleted = await factory.tenant(status=TenantStatus.DELETED)
    await factory.tenant()
    for slug, role in (
        ("acme", Role.MEMBER),
        (closed.slug, Role.OWNER),
        (deleted.slug, Role.OWNER),
        ("globex", Role.ADMIN),
    ):
        await factory.join(user, slug, role)
    session = await factory.sign_in(user)
    first = (await session.get("/users/me/tenants?limit=2")).json()
    assert [set(item) for item in first["items"]] == [{"id", "slug", "name", "status", "role"}] * 2
    rest = await session.get("/users/me/tenants", params={"cursor": first["next_cursor"]})
    assert rest.json()["next_cursor"] is None
    listed = [
        (item["slug"], item["status"], item["role"])
        for item in first["items"] + rest.json()["items"]
    ]
    assert listed == [
        ("globex", "ready", "admin"),
        (closed.slug, "suspended", "owner"),
        ("acme", "ready", "member"),
    ]
