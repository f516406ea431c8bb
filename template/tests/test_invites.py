"""Invites as a tenant's admins handle them."""

import asyncio
import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import utcnow, uuid7
from app.core.roles import Role
from app.models.public.audit_logs import AuditLog
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.models.public.tenants import Tenant, TenantStatus
from tests.answers import problem
from tests.factories import Factory, SignedIn
from tests.mailbox import Mailbox, token_in
from tests.patience import PATIENCE


@pytest.fixture
async def admin(factory: Factory, tenant: Tenant) -> SignedIn:
    """An admin of it."""
    return await factory.member(tenant.slug, Role.ADMIN)


def address() -> str:
    return f"invited-{secrets.token_hex(6)}@example.test"


async def invited(caller: SignedIn, email: str | None = None, role: str = "member") -> Any:
    answer = await caller.post("/invites", {"email": email or address(), "role": role})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def let_lapse(database: Database, id: str) -> None:
    async with database.lobby() as lobby:
        await lobby.execute(
            update(TenantInvite)
            .where(col(TenantInvite.id) == UUID(id))
            .values(expires_at=utcnow() - timedelta(seconds=1))
        )


async def audited(database: Database, tenant: Tenant) -> list[AuditLog]:
    async with database.lobby() as lobby:
        return await lobby.scalars(
            select(AuditLog).where(col(AuditLog.tenant_id) == tenant.id).order_by(col(AuditLog.id))
        )


async def test_an_invite_is_created_mailed_read_and_listed(
    admin: SignedIn, mailbox: Mailbox, tenant: Tenant, database: Database
) -> None:
    email = address()
    invite = await invited(admin, f" {email.upper()} ".strip())
    assert invite == {
        "id": invite["id"],
        "email": email,
        "role": "member",
        "status": "pending",
        "invited_by": str(admin.user_id),
        "created_at": invite["created_at"],
        "expires_at": invite["expires_at"],
    }
    assert (await admin.get(f"/invites/{invite['id']}")).json() == invite
    assert (await admin.get("/invites")).json() == {"items": [invite], "next_cursor": None}
    assert len(await mailbox.of(email)) == 1
    async with database.lobby() as lobby:
        row = await lobby.scalar(
            select(TenantInvite).where(col(TenantInvite.id) == UUID(invite["id"]))
        )
    assert row is not None
    assert row.expires_at - row.created_at == pytest.approx(timedelta(days=7), abs=PATIENCE)
    rows = await audited(database, tenant)
    assert [(row.action, row.entity_id) for row in rows] == [("invite.created", invite["id"])]


async def test_invites_are_listed_in_pages(admin: SignedIn) -> None:
    ids = [(await invited(admin))["id"] for _ in range(5)]
    seen, cursor = [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await admin.get("/invites", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]


async def test_one_of_eight_simultaneous_invites_wins(admin: SignedIn, mailbox: Mailbox) -> None:
    email = address()
    body = {"email": email, "role": "member"}
    answers = await asyncio.gather(*(admin.post("/invites", body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert problem(refused) == (409, "invite-pending")
    assert len(await mailbox.of(email)) == 1


async def test_an_address_has_one_pending_invite_in_each_tenant(
    admin: SignedIn, factory: Factory
) -> None:
    email = address()
    await invited(admin, email)
    again = await admin.post("/invites", {"email": email.title(), "role": "admin"})
    assert problem(again) == (409, "invite-pending")
    other = await factory.tenant(status=TenantStatus.READY)
    await invited(await factory.member(other.slug, Role.ADMIN), email)


async def test_a_lapsed_invite_makes_room_for_the_next(
    admin: SignedIn, factory: Factory, tenant: Tenant, database: Database
) -> None:
    email = address()
    old = await invited(admin, email)
    elsewhere = await invited(await factory.member("acme", Role.OWNER), email)
    for invite in (old, elsewhere):
        await let_lapse(database, invite["id"])
    assert (await admin.get(f"/invites/{old['id']}")).json()["status"] == "expired"
    assert problem(await admin.post(f"/invites/{old['id']}/resend")) == (409, "invite-not-pending")
    assert problem(await admin.delete(f"/invites/{old['id']}")) == (409, "invite-not-pending")
    body = {"email": email, "role": "member"}
    answers = await asyncio.gather(*(admin.post("/invites", body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    statuses = [item["status"] for item in (await admin.get("/invites")).json()["items"]]
    assert statuses == ["pending", "expired"]
    async with database.lobby() as lobby:
        one = select(col(TenantInvite.status)).where(col(TenantInvite.id) == UUID(elsewhere["id"]))
        assert await lobby.scalar(one) is InviteStatus.PENDING
    rows = await audited(database, tenant)
    assert [row.action for row in rows] == ["invite.created", "invite.expired", "invite.created"]
    assert (rows[1].entity_id, rows[1].user_id) == (old["id"], admin.user_id)
    assert (rows[1].before or {})["status"] == "pending"
    assert (rows[1].after or {})["status"] == "expired"


async def test_a_member_is_not_invited_again(
    admin: SignedIn, factory: Factory, tenant: Tenant
) -> None:
    member = await factory.member(tenant.slug)
    body = {"email": member.email, "role": "admin"}
    assert problem(await admin.post("/invites", body)) == (409, "already-member")
    stranger = await factory.user()
    await invited(admin, stranger.email)


async def test_a_cancelled_invite_stays_cancelled(
    admin: SignedIn, mailbox: Mailbox, tenant: Tenant, database: Database
) -> None:
    email = address()
    invite = await invited(admin, email)
    path = f"/invites/{invite['id']}"
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).json()["status"] == "cancelled"
    assert problem(await admin.delete(path)) == (409, "invite-not-pending")
    assert problem(await admin.post(f"{path}/resend")) == (409, "invite-not-pending")
    assert await mailbox.of(email) == []
    actions = [row.action for row in await audited(database, tenant)]
    assert actions == ["invite.created", "invite.cancelled"]
    await invited(admin, email)


async def test_a_resent_invite_has_the_same_token_and_new_time(
    admin: SignedIn, mailbox: Mailbox, tenant: Tenant, database: Database
) -> None:
    email = address()
    invite = await invited(admin, email)
    await mailbox.of(email)
    answer = await admin.post(f"/invites/{invite['id']}/resend")
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_at"] > invite["expires_at"]
    first, second = [token_in(message) for message in await mailbox.of(email)]
    assert first == second
    rows = await audited(database, tenant)
    assert [row.action for row in rows] == ["invite.created", "invite.resent"]
    before, after = rows[1].before, rows[1].after
    assert before is not None
    assert after is not None
    assert before["expires_at"] < after["expires_at"]


async def test_only_an_owner_handles_an_owners_invite(
    admin: SignedIn, factory: Factory, tenant: Tenant
) -> None:
    owner = await factory.member(tenant.slug, Role.OWNER)
    body = {"email": address(), "role": "owner"}
    assert problem(await admin.post("/invites", body)) == (403, "role-required")
    invite = await invited(owner, role="owner")
    path = f"/invites/{invite['id']}"
    assert problem(await admin.post(f"{path}/resend")) == (403, "role-required")
    assert problem(await admin.delete(path)) == (403, "role-required")
    assert (await admin.get(path)).json() == invite
    assert (await owner.post(f"{path}/resend")).status_code == 200
    assert (await owner.delete(path)).status_code == 204


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"role": "member"}, "/body/email"),
        ({"email": "a@example.test"}, "/body/role"),
        ({"email": "no address", "role": "member"}, "/body/email"),
        ({"email": "nul\x00@example.test", "role": "member"}, "/body/email"),
        ({"email": f"{'x' * 250}@example.test", "role": "member"}, "/body/email"),
        ({"email": "a@example.test", "role": "king"}, "/body/role"),
        ({"email": "a@example.test", "role": "member", "status": "accepted"}, "/body/status"),
        (
            {"email": "a@example.test", "role": "member", "tenant_id": str(uuid7())},
            "/body/tenant_id",
        ),
    ],
)
async def test_a_wrong_invite_is_refused(admin: SignedIn, body: object, pointer: str) -> None:
    answer = await admin.post("/invites", body)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await admin.get("/invites/mine")).status_code == 422
