"""Invites as the invited see and accept them."""

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import utcnow
from app.core.security.opaque_tokens import new_token
from app.models.public.tenant_invites import TenantInvite
from app.models.public.tenants import Tenant, TenantStatus
from tests.answers import problem
from tests.assumption import assume
from tests.factories import Factory, SignedIn
from tests.invites import LOOKUP, address, set_status, token_of
from tests.mailbox import Mailbox


async def test_the_token_shows_what_it_offers(
    client: httpx.AsyncClient, owner: SignedIn, tenant: Tenant, mailbox: Mailbox
) -> None:
    email = address()
    token = await token_of(owner, mailbox, email, "admin")
    answer = await client.post(LOOKUP, json={"token": token})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "email": email,
        "tenant_name": tenant.name,
        "role": "admin",
        "expires_at": answer.json()["expires_at"],
    }


async def test_a_signed_in_user_joins_from_the_lobby_or_another_tenant(
    factory: Factory, owner: SignedIn, tenant: Tenant, mailbox: Mailbox
) -> None:
    for user in (await factory.signed_in(), await factory.member("acme")):
        token = await token_of(owner, mailbox, user.email)
        answer = await user.post("/invites/accept", {"token": token})
        assert answer.status_code == 200, answer.text
        assert answer.json()["tenant"]["role"] == "member"
        invites = (await owner.get("/invites")).json()["items"]
        assert invites[0]["status"] == "accepted"
        mine = (await user.get("/tenants")).json()["items"]
        assert tenant.slug in {item["slug"] for item in mine}


async def test_one_of_several_simultaneous_accepts_of_a_user_wins(
    factory: Factory, owner: SignedIn, mailbox: Mailbox
) -> None:
    user = await factory.signed_in()
    token = await token_of(owner, mailbox, user.email)
    answers = await asyncio.gather(
        *(user.post("/invites/accept", {"token": token}) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]


async def test_an_invite_is_for_one_address(
    factory: Factory, owner: SignedIn, mailbox: Mailbox
) -> None:
    other = await factory.signed_in()
    token = await token_of(owner, mailbox, address())
    answer = await other.post("/invites/accept", {"token": token})
    assert problem(answer) == (403, "invite-of-other-address")
    assert (await other.get("/tenants")).json()["items"] == []


async def test_a_signed_in_users_invite_proves_the_address(
    factory: Factory, owner: SignedIn, mailbox: Mailbox
) -> None:
    user = await factory.signed_in(verified=False)
    token = await token_of(owner, mailbox, user.email)
    assert (await user.post("/invites/accept", {"token": token})).status_code == 200
    assert (await user.get("/users/me")).json()["email_verified"] is True


async def test_nobody_accepts_under_an_assumed_identity(
    factory: Factory, owner: SignedIn, mailbox: Mailbox
) -> None:
    member = await factory.member("acme")
    assumed = await assume(factory, member, superuser=await factory.signed_in(superuser=True))
    token = await token_of(owner, mailbox, member.email)
    answer = await assumed.post("/invites/accept", {"token": token})
    assert problem(answer) == (403, "assumed-identity")
    assert (await member.post("/invites/accept", {"token": token})).status_code == 200


@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 512, "\x00", "ä" * 43, "' OR 1=1 --"])
async def test_an_unknown_token_opens_nothing(
    client: httpx.AsyncClient, factory: Factory, token: str
) -> None:
    assert problem(await client.post(LOOKUP, json={"token": token})) == (400, "token-invalid")
    user = await factory.signed_in()
    answer = await user.post("/invites/accept", {"token": token})
    assert problem(answer) == (400, "token-invalid")


async def test_a_cancelled_or_lapsed_invite_opens_nothing(
    client: httpx.AsyncClient,
    factory: Factory,
    owner: SignedIn,
    mailbox: Mailbox,
    database: Database,
) -> None:
    user = await factory.signed_in()
    for ending in ("cancel", "lapse"):
        token = await token_of(owner, mailbox, user.email)
        invite = (await owner.get("/invites")).json()["items"][0]
        if ending == "cancel":
            assert (await owner.delete(f"/invites/{invite['id']}")).status_code == 204
        else:
            async with database.lobby() as lobby:
                await lobby.execute(
                    update(TenantInvite)
                    .where(col(TenantInvite.id) == UUID(invite["id"]))
                    .values(expires_at=utcnow() - timedelta(seconds=1))
                )
        for answer in (
            await client.post(LOOKUP, json={"token": token}),
            await user.post("/invites/accept", {"token": token}),
        ):
            assert problem(answer) == (400, "token-invalid")
    assert problem(await client.post(LOOKUP, json={"token": new_token()})) == (400, "token-invalid")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (TenantStatus.SUSPENDED, (403, "tenant-suspended")),
        (TenantStatus.DELETING, (410, "tenant-deleted")),
    ],
)
async def test_a_closed_tenant_takes_nobody_in(
    client: httpx.AsyncClient,
    factory: Factory,
    owner: SignedIn,
    tenant: Tenant,
    mailbox: Mailbox,
    database: Database,
    status: TenantStatus,
    expected: tuple[int, str],
) -> None:
    user = await factory.signed_in()
    token = await token_of(owner, mailbox, user.email)
    await set_status(database, tenant, status)
    assert problem(await client.post(LOOKUP, json={"token": token})) == (400, "token-invalid")
    assert problem(await user.post("/invites/accept", {"token": token})) == expected
    await set_status(database, tenant, TenantStatus.READY)
    assert (await user.post("/invites/accept", {"token": token})).status_code == 200


async def test_who_joined_in_another_way_is_told_so(
    factory: Factory, owner: SignedIn, tenant: Tenant, mailbox: Mailbox
) -> None:
    user = await factory.user()
    signed_in = await factory.sign_in(user)
    token = await token_of(owner, mailbox, user.email, "owner")
    await factory.join(user, tenant.slug)
    answer = await signed_in.post("/invites/accept", {"token": token})
    assert problem(answer) == (409, "already-member")
    assert (await signed_in.get(f"/tenants/{tenant.slug}")).json()["role"] == "member"
