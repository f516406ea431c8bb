"""Invites as the users of the invited address see, accept and decline them, without the mail; and how members leave."""

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import utcnow, uuid7
from app.core.roles import Role
from app.models.public.audit_logs import AuditLog
from app.models.public.tenant_invites import TenantInvite
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.users import User
from tests import background
from tests.answers import problem
from tests.assumption import assume
from tests.factories import Factory, SignedIn
from tests.invites import set_status, token_of
from tests.mailbox import Mailbox
from tests.sending import send

MINE = "/users/me/invites"


async def invited(owner: SignedIn, email: str, role: str = "member") -> str:
    answer = await owner.post("/invites", {"email": email, "role": role})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def audited(database: Database, tenant: Tenant) -> list[AuditLog]:
    async with database.lobby() as lobby:
        return await lobby.scalars(
            select(AuditLog).where(col(AuditLog.tenant_id) == tenant.id).order_by(col(AuditLog.id))
        )


async def test_a_user_sees_what_their_address_is_offered(
    factory: Factory, owner: SignedIn, tenant: Tenant
) -> None:
    user, other = await factory.signed_in(), await factory.member("acme")
    id = await invited(owner, user.email, "admin")
    await invited(owner, other.email)
    [invite] = (await user.get(MINE)).json()["items"]
    assert invite == {
        "id": id,
        "tenant_name": tenant.name,
        "tenant_slug": tenant.slug,
        "role": "admin",
        "invited_by_name": "Test User",
        "created_at": invite["created_at"],
        "expires_at": invite["expires_at"],
    }
    assert len((await other.get(MINE)).json()["items"]) == 1


async def test_they_are_listed_in_pages(factory: Factory) -> None:
    user, ids = await factory.signed_in(), []
    for _ in range(3):
        tenant = await factory.tenant(status=TenantStatus.READY)
        ids.append(await invited(await factory.member(tenant.slug, Role.OWNER), user.email))
    first = (await user.get(MINE, params={"limit": 2})).json()
    rest = (await user.get(MINE, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None


async def test_what_cannot_be_accepted_is_not_listed(
    factory: Factory, owner: SignedIn, tenant: Tenant, database: Database
) -> None:
    user = await factory.user()
    signed_in = await factory.sign_in(user)
    id = await invited(owner, user.email)
    await set_status(database, tenant, TenantStatus.SUSPENDED)
    assert (await signed_in.get(MINE)).json()["items"] == []
    assert problem(await signed_in.post(f"{MINE}/{id}/accept")) == (403, "tenant-suspended")
    await set_status(database, tenant, TenantStatus.READY)
    assert len((await signed_in.get(MINE)).json()["items"]) == 1
    await factory.join(user, "acme")
    assert len((await signed_in.get(MINE)).json()["items"]) == 1
    await factory.join(user, tenant.slug)
    assert (await signed_in.get(MINE)).json()["items"] == []
    answer = await signed_in.post(f"{MINE}/{id}/accept")
    assert problem(answer) == (409, "already-member")


async def test_a_user_accepts_and_works_there(
    factory: Factory, owner: SignedIn, tenant: Tenant, client: httpx.AsyncClient, database: Database
) -> None:
    user = await factory.signed_in()
    id = await invited(owner, user.email, "admin")
    answer = await user.post(f"{MINE}/{id}/accept")
    assert answer.status_code == 200, answer.text
    assert answer.json()["tenant"]["role"] == "admin"
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    entered = await send(client, "GET", "/tenant", tenant=tenant.slug, headers=headers)
    assert entered.status_code == 200, entered.text
    assert (await owner.get(f"/invites/{id}")).json()["status"] == "accepted"
    assert (await user.get(MINE)).json()["items"] == []
    actions = [(row.action, row.user_id) for row in await audited(database, tenant)]
    assert actions == [
        ("invite.created", owner.user_id),
        ("invite.accepted", user.user_id),
        ("member.joined", user.user_id),
        ("session.started", user.user_id),
    ]


async def test_one_of_several_simultaneous_accepts_wins(factory: Factory, owner: SignedIn) -> None:
    user = await factory.signed_in()
    id = await invited(owner, user.email)
    answers = await asyncio.gather(*(user.post(f"{MINE}/{id}/accept") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert problem(await user.post(f"{MINE}/{id}/decline")) == (409, "invite-not-pending")


@pytest.mark.parametrize("step", ["accept", "decline"])
async def test_only_the_invited_address_answers(
    factory: Factory, owner: SignedIn, database: Database, step: str
) -> None:
    user, other = await factory.signed_in(), await factory.signed_in()
    id = await invited(owner, user.email)
    for unknown in (id, str(uuid7())):
        answer = await other.post(f"{MINE}/{unknown}/{step}")
        assert problem(answer) == (404, "not-found")
    assert (await owner.get(f"/invites/{id}")).json()["status"] == "pending"
    async with database.lobby() as lobby:
        lapsed = {"expires_at": utcnow() - timedelta(seconds=1)}
        one = update(TenantInvite).where(col(TenantInvite.id) == UUID(id))
        await lobby.execute(one.values(lapsed))
    assert (await user.get(MINE)).json()["items"] == []
    assert problem(await user.post(f"{MINE}/{id}/{step}")) == (409, "invite-not-pending")


async def test_an_address_that_is_not_proven_answers_nothing(
    factory: Factory, owner: SignedIn
) -> None:
    user = await factory.signed_in(verified=False)
    id = await invited(owner, user.email)
    for answer in (
        await user.get(MINE),
        await user.post(f"{MINE}/{id}/accept"),
        await user.post(f"{MINE}/{id}/decline"),
    ):
        assert problem(answer) == (403, "email-not-verified")
    assert (await owner.get(f"/invites/{id}")).json()["status"] == "pending"


async def test_an_address_that_is_given_up_at_that_moment_answers_nothing(
    factory: Factory, owner: SignedIn, tenant: Tenant, database: Database
) -> None:
    user = await factory.signed_in()
    id = await invited(owner, user.email)
    async with database.lobby() as lobby:
        moved = {"email": f"new-{user.email}"}
        await lobby.execute(update(User).where(col(User.id) == user.user_id).values(moved))
        accepting = asyncio.create_task(user.post(f"{MINE}/{id}/accept"))
        await background.eventually(lambda: background.somebody_waits_in(database))
    assert problem(await accepting) == (404, "not-found")
    assert len((await owner.get("/members")).json()["items"]) == 1


async def test_a_declined_invite_opens_nothing_and_makes_room(
    factory: Factory, owner: SignedIn, tenant: Tenant, mailbox: Mailbox, database: Database
) -> None:
    user = await factory.signed_in()
    token = await token_of(owner, mailbox, user.email)
    [invite] = (await user.get(MINE)).json()["items"]
    assert (await user.post(f"{MINE}/{invite['id']}/decline")).status_code == 204
    path = f"/invites/{invite['id']}"
    assert (await owner.get(path)).json()["status"] == "declined"
    accepted = await user.post("/invites/accept", {"token": token})
    assert problem(accepted) == (400, "token-invalid")
    assert problem(await owner.post(f"{path}/resend")) == (409, "invite-not-pending")
    row = (await audited(database, tenant))[-1]
    # Whose the address is, and from where they come, stays untold.
    assert (row.action, row.user_id, row.ip_address) == ("invite.declined", None, None)
    assert (row.after or {})["status"] == "declined"
    await invited(owner, user.email)


async def test_an_invite_tells_nothing_of_an_account_before_it_is_accepted(
    factory: Factory, owner: SignedIn, tenant: Tenant, database: Database
) -> None:
    known, unknown = (await factory.signed_in()).email, f"nobody-{uuid7()}@example.test"
    answers = []
    for email in (known, unknown):
        created = await owner.post("/invites", {"email": email, "role": "member"})
        told = {**created.json(), "id": "", "email": "", "created_at": "", "expires_at": ""}
        answers.append(told)
    assert answers[0] == answers[1]
    assert [member["email"] for member in (await owner.get("/members")).json()["items"]] == [
        owner.email
    ]
    first, second = await audited(database, tenant)
    assert (first.action, first.user_id) == (second.action, second.user_id)


async def test_nobody_answers_or_leaves_under_an_assumed_identity(
    factory: Factory, owner: SignedIn, tenant: Tenant
) -> None:
    member = await factory.member("acme")
    id = await invited(owner, member.email)
    assumed = await assume(factory, member, superuser=await factory.signed_in(superuser=True))
    for answer in (
        await assumed.get(MINE),
        await assumed.post(f"{MINE}/{id}/accept"),
        await assumed.post(f"{MINE}/{id}/decline"),
        await assumed.delete("/members/me"),
    ):
        assert problem(answer) == (403, "assumed-identity")
    assert (await member.get("/tenant")).status_code == 200


@pytest.mark.parametrize("role", list(Role))
async def test_a_member_leaves(
    factory: Factory, owner: SignedIn, tenant: Tenant, database: Database, role: Role
) -> None:
    user = await factory.user()
    await factory.join(user, tenant.slug, role)
    await factory.join(user, "acme")
    here = await factory.tokens(user, tenant.slug)
    elsewhere = await factory.sign_in(user, "acme", Role.MEMBER)
    session = SignedIn(
        owner.client, user.id, user.email, uuid7(), here["access_token"], tenant.slug
    )
    assert (await session.delete("/members/me")).status_code == 204
    assert problem(await session.get("/tenant")) == (404, "tenant-not-found")
    assert problem(await session.delete("/members/me")) == (404, "tenant-not-found")
    refresh = {"refresh_token": here["refresh_token"]}
    refused = await owner.client.post("/api/v1/auth/refresh", json=refresh)
    assert problem(refused) == (401, "refresh-token-invalid")
    assert (await elsewhere.get("/tenant")).status_code == 200
    members = (await owner.get("/members")).json()["items"]
    assert [member["user_id"] for member in members] == [str(owner.user_id)]
    row = (await audited(database, tenant))[-1]
    assert (row.action, row.entity_id, row.user_id) == ("member.left", str(user.id), user.id)
    assert ((row.before or {})["role"], row.after) == (role.value, None)


async def test_who_left_comes_back_by_a_new_invite_alone(
    factory: Factory, owner: SignedIn, tenant: Tenant, mailbox: Mailbox
) -> None:
    user = await factory.user()
    waiting = await token_of(owner, mailbox, user.email, "owner")
    await factory.join(user, tenant.slug)
    member = await factory.sign_in(user, tenant.slug, Role.MEMBER)
    assert (await member.delete("/members/me")).status_code == 204
    answer = await member.post("/invites/accept", {"token": waiting})
    assert problem(answer) == (400, "token-invalid")
    id = await invited(owner, user.email)
    assert (await member.post(f"{MINE}/{id}/accept")).status_code == 200


async def test_the_last_owner_does_not_leave(
    factory: Factory, owner: SignedIn, tenant: Tenant
) -> None:
    await factory.member(tenant.slug, Role.ADMIN)
    assert problem(await owner.delete("/members/me")) == (409, "last-owner")
    assert (await owner.get("/tenant")).status_code == 200


async def test_of_two_owners_who_leave_at_once_one_stays(factory: Factory) -> None:
    for _ in range(3):
        tenant = await factory.tenant(status=TenantStatus.READY)
        pair = [await factory.member(tenant.slug, Role.OWNER) for _ in range(2)]
        answers = await asyncio.gather(*(each.delete("/members/me") for each in pair))
        assert sorted(answer.status_code for answer in answers) == [204, 409]
