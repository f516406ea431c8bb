"""Members: who sees them, changes their role and removes them."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import utcnow
from app.core.roles import Role
from app.models.public.audit_logs import AuditLog
from app.models.public.refresh_tokens import RefreshToken
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.repositories.public.users import UserRepository
from tests import background
from tests.answers import problem
from tests.assumption import assume
from tests.factories import Factory, SignedIn
from tests.invites import token_of
from tests.mailbox import Mailbox


async def roles(database: Database, tenant: Tenant) -> dict[str, str]:
    async with database.lobby() as lobby:
        rows = await lobby.scalars(
            select(UserTenantMembership).where(col(UserTenantMembership.tenant_id) == tenant.id)
        )
    return {str(row.user_id): row.role.value for row in rows}


async def audited(database: Database, tenant: Tenant) -> list[AuditLog]:
    async with database.lobby() as lobby:
        return await lobby.scalars(
            select(AuditLog).where(col(AuditLog.tenant_id) == tenant.id).order_by(col(AuditLog.id))
        )


async def test_every_member_sees_the_members_in_pages(
    factory: Factory, tenant: Tenant, owner: SignedIn
) -> None:
    others = [await factory.member(tenant.slug) for _ in range(4)]
    seen, cursor = [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        answer = await others[0].get("/members", params=params)
        assert answer.status_code == 200, answer.text
        seen += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            break
    expected = [str(member.user_id) for member in (owner, *others)]
    assert [item["user_id"] for item in seen] == expected[::-1]
    assert seen[-1] == {
        "user_id": str(owner.user_id),
        "email": owner.email,
        "full_name": "Test User",
        "role": "owner",
        "joined_at": seen[-1]["joined_at"],
    }


async def test_an_admin_changes_a_role_and_it_bites_at_once(
    factory: Factory, tenant: Tenant, database: Database
) -> None:
    admin = await factory.member(tenant.slug, Role.ADMIN)
    member = await factory.member(tenant.slug)
    assert (await member.get("/audit-logs")).status_code == 403
    answer = await admin.patch(f"/members/{member.user_id}", {"role": "admin"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["role"], answer.json()["email"]) == ("admin", member.email)
    assert (await member.get("/audit-logs")).status_code == 200
    assert (await member.patch(f"/members/{admin.user_id}", {"role": "member"})).status_code == 200
    assert problem(await admin.get("/audit-logs")) == (403, "role-required")
    rows = await audited(database, tenant)
    assert [(row.action, row.entity_id) for row in rows] == [
        ("member.role_changed", str(member.user_id)),
        ("member.role_changed", str(admin.user_id)),
    ]
    assert rows[0].before is not None
    assert rows[0].after is not None
    assert (rows[0].before["role"], rows[0].after["role"]) == ("member", "admin")


async def test_the_same_role_again_leaves_no_audit_row(
    factory: Factory, tenant: Tenant, owner: SignedIn, database: Database
) -> None:
    member = await factory.member(tenant.slug)
    answer = await owner.patch(f"/members/{member.user_id}", {"role": "member"})
    assert answer.json()["role"] == "member"
    assert (await owner.patch(f"/members/{owner.user_id}", {"role": "owner"})).status_code == 200
    assert await audited(database, tenant) == []


async def test_a_removed_member_is_out_at_the_next_request(
    factory: Factory, tenant: Tenant, owner: SignedIn, database: Database
) -> None:
    member = await factory.member(tenant.slug)
    elsewhere = await factory.member("acme")
    assert (await owner.delete(f"/members/{member.user_id}")).status_code == 204
    assert problem(await member.get("/tenant")) == (404, "tenant-not-found")
    assert str(member.user_id) not in await roles(database, tenant)
    assert (await elsewhere.get("/tenant")).status_code == 200
    row = (await audited(database, tenant))[-1]
    assert (row.action, row.entity_id, row.after) == (
        "member.removed",
        str(member.user_id),
        None,
    )
    assert problem(await owner.delete(f"/members/{member.user_id}")) == (404, "not-found")


async def test_a_removed_members_invite_is_cancelled(
    factory: Factory, tenant: Tenant, owner: SignedIn, mailbox: Mailbox, database: Database
) -> None:
    user, other = await factory.user(), await factory.tenant(status=TenantStatus.READY)
    member = await factory.sign_in(user)
    token = await token_of(owner, mailbox, user.email, "admin")
    elsewhere = await factory.member(other.slug, Role.OWNER)
    elsewhere_token = await token_of(elsewhere, mailbox, user.email)
    await factory.join(user, tenant.slug)

    assert (await owner.delete(f"/members/{user.id}")).status_code == 204

    answer = await member.post("/invites/accept", {"token": token})
    assert problem(answer) == (400, "token-invalid")
    assert (await owner.get("/invites")).json()["items"][0]["status"] == "cancelled"
    cancelled, removed = (await audited(database, tenant))[-2:]
    assert (cancelled.action, cancelled.user_id) == ("invite.cancelled", owner.user_id)
    assert (cancelled.before or {})["status"] == "pending"
    assert (cancelled.after or {})["status"] == "cancelled"
    assert removed.action == "member.removed"
    joined = await member.post("/invites/accept", {"token": elsewhere_token})
    assert joined.status_code == 200


async def test_a_removal_and_an_acceptance_wait_for_each_other(
    factory: Factory, tenant: Tenant, owner: SignedIn, mailbox: Mailbox, database: Database
) -> None:
    user = await factory.user()
    member = await factory.sign_in(user)
    token = await token_of(owner, mailbox, user.email)
    await factory.join(user, tenant.slug)
    async with database.lobby() as lobby:
        await UserRepository(lobby).get(user.id)
        accepting = asyncio.create_task(member.post("/invites/accept", {"token": token}))
        await background.eventually(lambda: background.somebody_waits_in(database))
        removing = asyncio.create_task(owner.delete(f"/members/{user.id}"))
        await background.eventually(lambda: background.somebody_waits_in(database, number=2))

    assert problem(await accepting) == (409, "already-member")
    assert (await removing).status_code == 204
    again = await member.post("/invites/accept", {"token": token})
    assert problem(again) == (400, "token-invalid")
    assert str(user.id) not in await roles(database, tenant)


async def test_sessions_of_a_removed_member_end_with_its_access_tokens(
    client: httpx.AsyncClient,
    factory: Factory,
    tenant: Tenant,
    owner: SignedIn,
    database: Database,
) -> None:
    user = await factory.user()
    await factory.join(user, tenant.slug)
    here, lobby_session = await factory.tokens(user, tenant.slug), await factory.tokens(user)
    assert (await owner.delete(f"/members/{user.id}")).status_code == 204
    refused = await client.post(
        "/api/v1/auth/refresh", json={"refresh_token": here["refresh_token"]}
    )
    assert refused.status_code == 401
    kept = await client.post(
        "/api/v1/auth/refresh", json={"refresh_token": lobby_session["refresh_token"]}
    )
    assert kept.status_code == 200
    async with database.lobby() as lobby:
        left = await lobby.scalars(
            select(RefreshToken).where(
                col(RefreshToken.user_id) == user.id, col(RefreshToken.tenant_id) == tenant.id
            )
        )
    access_ttl = factory.components.settings.auth.access_ttl
    assert [token.expires_at <= utcnow() + access_ttl for token in left] == [True]
    assert [token.session_expires_at <= utcnow() + access_ttl for token in left] == [True]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER])
async def test_only_an_owner_makes_or_touches_an_owner(
    factory: Factory, tenant: Tenant, owner: SignedIn, role: Role, database: Database
) -> None:
    caller = await factory.member(tenant.slug, role)
    member = await factory.member(tenant.slug)
    for answer in (
        await caller.patch(f"/members/{member.user_id}", {"role": "owner"}),
        await caller.patch(f"/members/{caller.user_id}", {"role": "owner"}),
        await caller.patch(f"/members/{owner.user_id}", {"role": "member"}),
        await caller.delete(f"/members/{owner.user_id}"),
    ):
        assert problem(answer) == (403, "role-required")
    assert (await roles(database, tenant))[str(owner.user_id)] == "owner"
    assert await audited(database, tenant) == []


async def test_an_owner_hands_over(factory: Factory, tenant: Tenant, owner: SignedIn) -> None:
    heir = await factory.member(tenant.slug)
    assert (await owner.patch(f"/members/{heir.user_id}", {"role": "owner"})).status_code == 200
    assert (await owner.patch(f"/members/{owner.user_id}", {"role": "admin"})).status_code == 200
    assert problem(await owner.delete(f"/members/{heir.user_id}")) == (403, "role-required")
    assert (await heir.delete(f"/members/{owner.user_id}")).status_code == 204


async def test_the_last_owner_stays(
    factory: Factory, tenant: Tenant, owner: SignedIn, database: Database
) -> None:
    await factory.member(tenant.slug, Role.ADMIN)
    path = f"/members/{owner.user_id}"
    assert problem(await owner.patch(path, {"role": "admin"})) == (409, "last-owner")
    assert problem(await owner.delete(path)) == (409, "last-owner")
    assert (await roles(database, tenant))[str(owner.user_id)] == "owner"
    assert await audited(database, tenant) == []


@pytest.mark.parametrize("target", ["self", "other"])
@pytest.mark.parametrize("removes", [True, False])
async def test_of_two_owners_who_leave_at_once_one_stays(
    factory: Factory, database: Database, target: str, removes: bool
) -> None:
    for _ in range(3):
        tenant = await factory.tenant(status=TenantStatus.READY)
        pair = [await factory.member(tenant.slug, Role.OWNER) for _ in range(2)]
        targets = pair if target == "self" else pair[::-1]
        answers = await asyncio.gather(
            *(
                caller.delete(f"/members/{goes.user_id}")
                if removes
                else caller.patch(f"/members/{goes.user_id}", {"role": "member"})
                for caller, goes in zip(pair, targets, strict=True)
            )
        )
        won = [answer for answer in answers if answer.is_success]
        lost = [answer for answer in answers if not answer.is_success]
        assert len(won) == 1
        # Who was removed before its own request was admitted is no member any more.
        assert problem(lost[0]) in [
            (409, "last-owner"),
            (403, "role-required"),
            (404, "tenant-not-found"),
        ]
        assert list((await roles(database, tenant)).values()).count("owner") == 1


async def test_of_three_owners_two_cannot_demote_each_other(
    factory: Factory, database: Database
) -> None:
    for _ in range(5):
        tenant = await factory.tenant(status=TenantStatus.READY)
        first, second, _third = [await factory.member(tenant.slug, Role.OWNER) for _ in range(3)]
        answers = await asyncio.gather(
            first.patch(f"/members/{second.user_id}", {"role": "member"}),
            second.patch(f"/members/{first.user_id}", {"role": "member"}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 403]
        assert list((await roles(database, tenant)).values()).count("owner") == 2


async def test_an_assumed_owner_leaves_owners_alone(
    factory: Factory, tenant: Tenant, owner: SignedIn
) -> None:
    superuser = await factory.signed_in(superuser=True)
    other = await factory.member(tenant.slug, Role.OWNER)
    member = await factory.member(tenant.slug)
    assumed = await assume(factory, owner, superuser=superuser)
    for answer in (
        await assumed.patch(f"/members/{member.user_id}", {"role": "owner"}),
        await assumed.patch(f"/members/{other.user_id}", {"role": "member"}),
        await assumed.delete(f"/members/{other.user_id}"),
    ):
        assert problem(answer) == (403, "assumed-identity")
    assert (await assumed.patch(f"/members/{member.user_id}", {"role": "admin"})).is_success


async def test_a_removal_lets_only_the_sessions_expire_that_it_is_about(
    factory: Factory, tenant: Tenant, owner: SignedIn, database: Database
) -> None:
    user, colleague = await factory.user(), await factory.member(tenant.slug)
    await factory.join(user, tenant.slug)
    here, elsewhere = await factory.sign_in(user, tenant.slug), await factory.sign_in(user, "acme")
    assert (await owner.delete(f"/members/{user.id}")).status_code == 204
    async with database.lobby() as lobby:
        soon = await lobby.scalars(
            select(col(RefreshToken.family_id)).where(
                col(RefreshToken.user_id).in_((user.id, colleague.user_id)),
                col(RefreshToken.expires_at) < utcnow() + timedelta(days=1),
            )
        )
    assert soon == [here.session_id], elsewhere


async def test_a_membership_elsewhere_stays_as_it_is(
    factory: Factory, tenant: Tenant, owner: SignedIn
) -> None:
    user = await factory.user()
    for slug in ("acme", tenant.slug, "globex"):
        await factory.join(user, slug)
    path = f"/members/{user.id}"
    assert (await owner.patch(path, {"role": "admin"})).status_code == 200
    mine = (await (await factory.sign_in(user)).get("/tenants")).json()["items"]
    assert {item["slug"]: item["role"] for item in mine} == {
        "acme": "member",
        tenant.slug: "admin",
        "globex": "member",
    }
    assert (await owner.delete(path)).status_code == 204
    mine = (await (await factory.sign_in(user)).get("/tenants")).json()["items"]
    assert {item["slug"] for item in mine} == {"acme", "globex"}


@pytest.mark.parametrize("body", [{}, {"role": "king"}, {"role": None}, {"role": 1}, {"x": 1}, []])
async def test_a_wrong_role_is_refused(owner: SignedIn, body: object) -> None:
    answer = await owner.patch(f"/members/{owner.user_id}", body)
    assert answer.status_code == 422, answer.text
    # It is a path of its own, which DELETE alone has.
    assert (await owner.patch("/members/me", {"role": "admin"})).status_code == 405
