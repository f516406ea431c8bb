"""Invites are worth what their sender may hand out now: at every door, and at the moment of a demotion too."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import select
from sqlmodel import col

from app.core.db.database import Database
from app.core.roles import Role
from app.models.public.audit_logs import AuditLog
from app.models.public.tenant_invites import TenantInvite
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.tenants import TenantRegistry
from app.repositories.public.users import UserRepository
from tests import background
from tests.answers import problem
from tests.factories import Factory, SignedIn
from tests.invites import LOOKUP, address, token_of
from tests.mailbox import Mailbox

type End = Callable[[SignedIn, SignedIn], Coroutine[Any, Any, httpx.Response]]
"""What ends the rights of the second, by the first or by themselves."""


async def demote_to_admin(owner: SignedIn, sender: SignedIn) -> httpx.Response:
    return await owner.patch(f"/members/{sender.user_id}", {"role": "admin"})


async def demote(owner: SignedIn, sender: SignedIn) -> httpx.Response:
    return await owner.patch(f"/members/{sender.user_id}", {"role": "member"})


async def remove(owner: SignedIn, sender: SignedIn) -> httpx.Response:
    return await owner.delete(f"/members/{sender.user_id}")


async def leave(_owner: SignedIn, sender: SignedIn) -> httpx.Response:
    return await sender.delete("/members/me")


ENDS: Final = [
    (Role.OWNER, "owner", demote_to_admin),
    (Role.OWNER, "admin", demote),
    (Role.OWNER, "owner", remove),
    (Role.ADMIN, "member", demote),
    (Role.ADMIN, "admin", remove),
    (Role.ADMIN, "member", leave),
]
"""Who sent an invite to which role, and what takes the right to it away."""


async def accept(user: SignedIn, token: str) -> httpx.Response:
    return await user.post("/invites/accept", {"token": token})


async def invites_of(owner: SignedIn) -> list[tuple[str, str]]:
    items = (await owner.get("/invites")).json()["items"]
    return [(item["role"], item["status"]) for item in items]


@pytest.mark.parametrize("case", ENDS)
async def test_an_invite_ends_with_the_right_to_send_it(
    factory: Factory,
    tenant: Tenant,
    owner: SignedIn,
    mailbox: Mailbox,
    database: Database,
    case: tuple[Role, str, End],
) -> None:
    role, invited, end = case
    sender, user = await factory.member(tenant.slug, role), await factory.signed_in()
    token = await token_of(sender, mailbox, user.email, invited)
    id = (await owner.get("/invites")).json()["items"][0]["id"]

    assert (await end(owner, sender)).is_success

    looked_up = await user.client.post(LOOKUP, json={"token": token})
    assert problem(looked_up) == (400, "token-invalid")
    assert problem(await accept(user, token)) == (400, "token-invalid")
    assert (await user.get("/users/me/invites")).json()["items"] == []
    own = await user.post(f"/users/me/invites/{id}/accept")
    assert problem(own) == (409, "invite-not-pending")
    assert await invites_of(owner) == [(invited, "cancelled")]
    assert problem(await owner.post(f"/invites/{id}/resend")) == (409, "invite-not-pending")
    assert (await user.get("/tenants")).json()["items"] == []
    async with database.lobby() as lobby:
        rows = await lobby.scalars(
            select(AuditLog).where(col(AuditLog.entity_id) == id).order_by(col(AuditLog.id))
        )
    assert [row.action for row in rows] == ["invite.created", "invite.cancelled"]
    assert rows[1].user_id in {owner.user_id, sender.user_id}


async def test_what_the_sender_may_still_hand_out_stays(
    factory: Factory, tenant: Tenant, owner: SignedIn, mailbox: Mailbox
) -> None:
    account, elsewhere = await factory.user(), await factory.tenant(status=TenantStatus.READY)
    for slug in (tenant.slug, elsewhere.slug):
        await factory.join(account, slug, Role.OWNER)
    sender, there = [
        await factory.sign_in(account, slug, Role.OWNER) for slug in (tenant.slug, elsewhere.slug)
    ]
    colleague = await factory.member(tenant.slug, Role.OWNER)
    user, third = await factory.signed_in(), await factory.signed_in()
    token = await token_of(sender, mailbox, user.email, "admin")
    colleagues = await token_of(colleague, mailbox, third.email, "owner")
    others = await token_of(there, mailbox, user.email, "owner")
    assert (await demote_to_admin(owner, sender)).is_success
    for somebody, kept in ((user, token), (third, colleagues), (user, others)):
        answer = await accept(somebody, kept)
        assert answer.status_code == 200, answer.text


async def test_a_right_that_comes_back_revives_no_invite(
    factory: Factory, tenant: Tenant, owner: SignedIn, mailbox: Mailbox
) -> None:
    sender, user = await factory.member(tenant.slug, Role.ADMIN), await factory.signed_in()
    token = await token_of(sender, mailbox, user.email)
    assert (await demote(owner, sender)).is_success
    assert (await owner.patch(f"/members/{sender.user_id}", {"role": "owner"})).is_success
    assert problem(await accept(user, token)) == (400, "token-invalid")


async def test_who_was_removed_does_not_come_back_as_owner(
    factory: Factory, tenant: Tenant, owner: SignedIn, mailbox: Mailbox
) -> None:
    first, second = await factory.member(tenant.slug, Role.OWNER), await factory.signed_in()
    token = await token_of(first, mailbox, second.email, "owner")
    for end in (demote_to_admin, remove):
        assert (await end(owner, first)).is_success
    assert problem(await accept(second, token)) == (400, "token-invalid")
    assert (await owner.get("/members")).json()["items"][0]["user_id"] == str(owner.user_id)


async def test_a_role_that_was_changed_past_the_service_counts_at_once(
    factory: Factory, tenant: Tenant, owner: SignedIn, mailbox: Mailbox, database: Database
) -> None:
    user, sender = await factory.signed_in(), await factory.member(tenant.slug, Role.ADMIN)
    token = await token_of(sender, mailbox, user.email)
    elsewhere = await factory.tenant(status=TenantStatus.READY)
    async with database.lobby() as lobby:
        # Neither the sender's right in another tenant counts, nor that of others in this one.
        await lobby.add(
            UserTenantMembership(tenant_id=elsewhere.id, user_id=sender.user_id, role=Role.OWNER)
        )
        memberships = MembershipRepository(lobby)
        member = await memberships.get_of(tenant.id, sender.user_id)
        await memberships.update(member, {"role": Role.MEMBER})
    assert await invites_of(owner) == [("member", "cancelled")]
    looked_up = await user.client.post(LOOKUP, json={"token": token})
    assert problem(looked_up) == (400, "token-invalid")
    for somebody in (user, await factory.signed_in()):
        assert problem(await accept(somebody, token)) == (400, "token-invalid")
    assert (await user.get("/users/me/invites")).json()["items"] == []
    id = (await owner.get("/invites")).json()["items"][0]["id"]
    own = await user.post(f"/users/me/invites/{id}/accept")
    assert problem(own) == (409, "invite-not-pending")
    assert problem(await owner.delete(f"/invites/{id}")) == (409, "invite-not-pending")
    again = await owner.post("/invites", {"email": user.email, "role": "admin"})
    assert again.status_code == 201, again.text
    assert await invites_of(owner) == [("admin", "pending"), ("member", "cancelled")]


async def test_who_sends_an_invite_again_answers_for_it(
    factory: Factory, tenant: Tenant, owner: SignedIn, mailbox: Mailbox
) -> None:
    first, second = [await factory.member(tenant.slug, Role.ADMIN) for _ in range(2)]
    user, other = await factory.signed_in(), await factory.signed_in()
    tokens = [await token_of(first, mailbox, each.email) for each in (user, other)]
    for item in (await owner.get("/invites")).json()["items"]:
        answer = await second.post(f"/invites/{item['id']}/resend")
        assert answer.json()["invited_by"] == str(second.user_id)
    assert (await remove(owner, first)).is_success
    assert (await accept(user, tokens[0])).status_code == 200
    assert (await remove(owner, second)).is_success
    assert problem(await accept(other, tokens[1])) == (400, "token-invalid")


async def test_many_invites_of_one_sender_open_nothing_either(
    factory: Factory, tenant: Tenant, owner: SignedIn, mailbox: Mailbox, database: Database
) -> None:
    sender, user = await factory.member(tenant.slug, Role.ADMIN), await factory.signed_in()
    async with database.lobby() as lobby:
        for _ in range(101):
            await lobby.add(
                TenantInvite(
                    tenant_id=tenant.id,
                    email=address(),
                    role=Role.MEMBER,
                    invited_by=sender.user_id,
                    expires_at=tenant.created_at.replace(year=9000),
                )
            )
    token = await token_of(sender, mailbox, user.email)
    assert (await demote(owner, sender)).is_success
    assert problem(await accept(user, token)) == (400, "token-invalid")
    statuses = {status for _, status in await invites_of(owner)}
    assert statuses == {"cancelled"}


@pytest.mark.parametrize("end", [demote, remove, leave])
async def test_an_acceptance_waits_for_a_demotion_that_was_first(
    factory: Factory,
    tenant: Tenant,
    owner: SignedIn,
    mailbox: Mailbox,
    database: Database,
    end: End,
) -> None:
    sender, user = await factory.member(tenant.slug, Role.ADMIN), await factory.signed_in()
    token = await token_of(sender, mailbox, user.email)
    async with database.lobby() as lobby:
        await MembershipRepository(lobby).get_of(tenant.id, sender.user_id)
        ending = asyncio.create_task(end(owner, sender))
        await background.eventually(lambda: background.somebody_waits_in(database))
        accepting = asyncio.create_task(accept(user, token))
        await background.eventually(lambda: background.somebody_waits_in(database, number=2))
    assert (await ending).is_success
    assert problem(await accepting) == (400, "token-invalid")
    assert (await user.get("/tenants")).json()["items"] == []


async def test_an_acceptance_sees_a_role_that_is_changed_at_that_moment(
    factory: Factory, tenant: Tenant, owner: SignedIn, mailbox: Mailbox, database: Database
) -> None:
    account, user = await factory.user(), await factory.signed_in()
    # Neither this role counts nor the owner's.
    await factory.join(account, "acme", Role.OWNER)
    await factory.join(account, tenant.slug, Role.ADMIN)
    sender = await factory.sign_in(account, tenant.slug, Role.ADMIN)
    token = await token_of(sender, mailbox, user.email)
    async with database.lobby() as lobby:
        memberships = MembershipRepository(lobby)
        member = await memberships.get_of(tenant.id, sender.user_id)
        await memberships.update(member, {"role": Role.MEMBER})
        accepting = asyncio.create_task(accept(user, token))
        await background.eventually(lambda: background.somebody_waits_in(database))
    assert problem(await accepting) == (400, "token-invalid")
    assert await invites_of(owner) == [("member", "cancelled")]
    assert (await user.get("/tenants")).json()["items"] == []


async def test_a_demotion_waits_for_an_acceptance_that_was_first(
    factory: Factory, tenant: Tenant, owner: SignedIn, mailbox: Mailbox, database: Database
) -> None:
    sender, user = await factory.member(tenant.slug, Role.ADMIN), await factory.signed_in()
    token = await token_of(sender, mailbox, user.email)
    async with database.lobby() as lobby:
        await UserRepository(lobby).get(user.user_id)
        accepting = asyncio.create_task(accept(user, token))
        await background.eventually(lambda: background.somebody_waits_in(database))
        ending = asyncio.create_task(demote(owner, sender))
        await background.eventually(lambda: background.somebody_waits_in(database, number=2))
    assert (await accepting).status_code == 200
    assert (await ending).is_success
    assert await invites_of(owner) == [("member", "accepted")]


@pytest.mark.parametrize("act", ["create", "resend", "cancel"])
async def test_nobody_invites_who_is_demoted_at_that_moment(
    factory: Factory, tenant: Tenant, owner: SignedIn, database: Database, act: str
) -> None:
    sender = await factory.member(tenant.slug, Role.ADMIN)
    body = {"email": address(), "role": "member"}
    id = (await owner.post("/invites", body)).json()["id"]

    async def acting() -> httpx.Response:
        if act == "create":
            return await sender.post("/invites", {**body, "email": address()})
        if act == "resend":
            return await sender.post(f"/invites/{id}/resend")
        return await sender.delete(f"/invites/{id}")

    async with database.lobby() as lobby:
        # As a demotion locks them.
        await TenantRegistry(lobby).get(tenant.id)
        request = asyncio.create_task(acting())
        await background.eventually(lambda: background.somebody_waits_in(database))
        memberships = MembershipRepository(lobby)
        member = await memberships.get_of(tenant.id, sender.user_id)
        await memberships.update(member, {"role": Role.MEMBER})
    assert problem(await request) == (403, "role-required")
    assert await invites_of(owner) == [("member", "pending")]


async def test_invites_and_acceptances_at_once_wait_for_each_other(
    factory: Factory, tenant: Tenant, owner: SignedIn, mailbox: Mailbox
) -> None:
    admins = [await factory.member(tenant.slug, Role.ADMIN) for _ in range(2)]
    users = [await factory.signed_in() for _ in range(4)]
    tokens = [await token_of(admins[n % 2], mailbox, user.email) for n, user in enumerate(users)]
    answers = await asyncio.gather(
        *(accept(user, token) for user, token in zip(users, tokens, strict=True)),
        *(
            admins[n % 2].post("/invites", {"email": user.email, "role": "member"})
            for n, user in enumerate(users)
        ),
        demote(owner, admins[0]),
        remove(owner, admins[1]),
    )
    assert {answer.status_code for answer in answers} <= {200, 201, 204, 400, 403, 404, 409}
    for role, status in await invites_of(owner):
        assert (role, status) in {("member", "accepted"), ("member", "cancelled")}
