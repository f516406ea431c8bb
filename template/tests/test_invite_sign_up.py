"""Invites as those accept them who have no account."""

import asyncio
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import utcnow
from app.core.roles import Role
from app.core.security.opaque_tokens import new_token
from app.models.public.audit_logs import AuditLog
from app.models.public.tenant_invites import TenantInvite
from app.models.public.tenants import Tenant, TenantStatus
from app.repositories.public.memberships import MembershipRepository
from tests import background
from tests.answers import problem
from tests.factories import Factory, SignedIn
from tests.invites import LOOKUP, address, set_status, token_of, user_of
from tests.mailbox import Mailbox
from tests.sending import send
from tests.sign_in.password import PASSWORD
from tests.work import recorded

ACCEPT: Final = "/api/v1/invites/accept"


def newcomer(token: str, **changes: Any) -> dict[str, Any]:
    return {"token": token, "password": PASSWORD, "full_name": "Grace Hopper", **changes}


async def test_a_newcomer_joins_and_is_signed_in(
    client: httpx.AsyncClient, owner: SignedIn, tenant: Tenant, mailbox: Mailbox
) -> None:
    email = address()
    token = await token_of(owner, mailbox, email, "admin")
    answer = await client.post(ACCEPT, json=newcomer(token))
    assert answer.status_code == 200, answer.text
    assert answer.json()["tenant"] == {
        "id": str(tenant.id),
        "slug": tenant.slug,
        "name": tenant.name,
        "status": "ready",
        "role": "admin",
    }
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    entered = await send(client, "GET", "/tenant", tenant=tenant.slug, headers=headers)
    assert entered.json()["role"] == "admin"
    me = (await client.get("/api/v1/users/me", headers=headers)).json()
    assert (me["email"], me["full_name"], me["email_verified"]) == (email, "Grace Hopper", True)
    login = {"email": email, "password": PASSWORD, "tenant": tenant.slug}
    assert (await client.post("/api/v1/auth/login", json=login)).status_code == 200
    assert len(await mailbox.of(email)) == 2, "the invite and a welcome"


async def test_a_newcomers_steps_are_audited(
    client: httpx.AsyncClient,
    owner: SignedIn,
    tenant: Tenant,
    mailbox: Mailbox,
    database: Database,
) -> None:
    email = address()
    token = await token_of(owner, mailbox, email)
    assert (await client.post(ACCEPT, json=newcomer(token))).status_code == 200
    user = await user_of(database, email)
    assert user is not None
    async with database.lobby() as lobby:
        rows = await lobby.scalars(
            select(AuditLog).where(col(AuditLog.user_id) == user.id).order_by(col(AuditLog.id))
        )
    assert [(row.action, row.tenant_id) for row in rows] == [
        ("user.created", None),
        ("invite.accepted", tenant.id),
        ("member.joined", tenant.id),
        ("session.started", tenant.id),
    ]
    kept = str([row.after for row in rows])
    assert PASSWORD not in kept
    assert token not in kept


async def test_a_password_is_hashed_for_a_good_token_alone_and_without_a_connection(
    client: httpx.AsyncClient, owner: SignedIn, mailbox: Mailbox, database: Database
) -> None:
    token = await token_of(owner, mailbox, address())
    async with recorded(database) as work:
        assert (await client.post(ACCEPT, json=newcomer(new_token()))).status_code == 400
        assert (await client.post(ACCEPT, json=newcomer(token))).status_code == 200
    assert work.connections_while_hashing == [0]


async def test_no_password_is_hashed_for_a_sender_who_may_not_invite_any_more(
    client: httpx.AsyncClient, factory: Factory, tenant: Tenant, mailbox: Mailbox
) -> None:
    account = await factory.user()
    await factory.join(account, tenant.slug, Role.ADMIN)
    sender = await factory.sign_in(account, tenant.slug, Role.ADMIN)
    token = await token_of(sender, mailbox, address())
    await factory.leave(account, tenant.slug)
    async with recorded(factory.components.database) as work:
        answer = await client.post(ACCEPT, json=newcomer(token))
    assert problem(answer) == (400, "token-invalid")
    assert work.connections_while_hashing == []


async def test_a_newcomer_whose_sender_is_demoted_at_that_moment_does_not_join(
    client: httpx.AsyncClient,
    factory: Factory,
    tenant: Tenant,
    mailbox: Mailbox,
    database: Database,
) -> None:
    sender, email = await factory.member(tenant.slug, Role.ADMIN), address()
    token = await token_of(sender, mailbox, email)
    async with database.lobby() as lobby:
        memberships = MembershipRepository(lobby)
        member = await memberships.get_of(tenant.id, sender.user_id)
        await memberships.update(member, {"role": Role.MEMBER})
        joining = asyncio.create_task(client.post(ACCEPT, json=newcomer(token)))
        await background.eventually(lambda: background.somebody_waits_in(database))
    assert problem(await joining) == (400, "token-invalid")
    assert await user_of(database, email) is None


async def test_a_token_opens_once(
    client: httpx.AsyncClient, owner: SignedIn, mailbox: Mailbox
) -> None:
    token = await token_of(owner, mailbox, address())
    answers = await asyncio.gather(*(client.post(ACCEPT, json=newcomer(token)) for _ in range(4)))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    # Who comes after the account was made is told to sign in, if the invite is not yet taken.
    for answer in answers:
        assert answer.status_code in {200, 400, 401}, answer.text
    for path, body in ((ACCEPT, newcomer(token)), (LOOKUP, {"token": token})):
        assert problem(await client.post(path, json=body)) == (400, "token-invalid")


async def test_two_invites_of_a_newcomer_make_one_account(
    client: httpx.AsyncClient, factory: Factory, mailbox: Mailbox
) -> None:
    email, passwords = address(), ("the first of two passphrases", "the second of two phrases")
    tokens = []
    for _ in passwords:
        tenant = await factory.tenant(status=TenantStatus.READY)
        inviter = await factory.member(tenant.slug, Role.OWNER)
        tokens.append(await token_of(inviter, mailbox, email))
    answers = await asyncio.gather(
        *(
            client.post(ACCEPT, json=newcomer(token, password=password))
            for token, password in zip(tokens, passwords, strict=True)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401]
    for answer, password in zip(answers, passwords, strict=True):
        login = {"email": email, "password": password}
        again = await client.post("/api/v1/auth/login", json=login)
        assert again.status_code == answer.status_code


async def test_who_has_an_account_signs_in_first(
    client: httpx.AsyncClient, factory: Factory, owner: SignedIn, mailbox: Mailbox
) -> None:
    user = await factory.user()
    token = await token_of(owner, mailbox, user.email)
    before = user.password_hash
    body = newcomer(token, password="a new, unknown pass phrase")
    async with recorded(factory.components.database) as work:
        answer = await client.post(ACCEPT, json=body)
    assert work.connections_while_hashing == []
    assert problem(answer) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    after = await user_of(factory.components.database, user.email)
    assert after is not None
    assert after.password_hash == before
    wrong = await client.post(
        ACCEPT, json={"token": token}, headers={"Authorization": "Bearer x.y.z"}
    )
    assert problem(wrong) == (401, "unauthenticated")


async def test_an_unproven_account_becomes_the_one_of_who_reads_the_mail(
    client: httpx.AsyncClient, factory: Factory, owner: SignedIn, mailbox: Mailbox
) -> None:
    squatter = await factory.signed_in(verified=False)
    token = await token_of(owner, mailbox, squatter.email)
    chosen = "the passphrase of the true reader"
    answer = await client.post(ACCEPT, json=newcomer(token, password=chosen))
    assert answer.status_code == 200, answer.text
    assert (await squatter.get("/users/me")).status_code == 401
    for password, status in ((PASSWORD, 401), (chosen, 200)):
        login = {"email": squatter.email, "password": password}
        assert (await client.post("/api/v1/auth/login", json=login)).status_code == status


async def test_a_newcomer_needs_a_good_password_and_a_name(
    client: httpx.AsyncClient, owner: SignedIn, mailbox: Mailbox, database: Database
) -> None:
    email = address()
    token = await token_of(owner, mailbox, email)
    for missing in ("password", "full_name"):
        body = newcomer(token)
        del body[missing]
        answer = await client.post(ACCEPT, json=body)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"/body/{missing}"]
    for weak in ("password1", "Grace Hopper"):
        answer = await client.post(ACCEPT, json=newcomer(token, password=weak))
        assert problem(answer) == (422, "password-too-weak")
    assert await user_of(database, email) is None
    assert (await client.post(ACCEPT, json=newcomer(token))).status_code == 200


@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 512, "\x00", "ä" * 43, "' OR 1=1 --"])
async def test_an_unknown_token_opens_nothing(client: httpx.AsyncClient, token: str) -> None:
    for path, body in ((LOOKUP, {"token": token}), (ACCEPT, newcomer(token))):
        assert problem(await client.post(path, json=body)) == (400, "token-invalid")


@pytest.mark.parametrize(
    "body",
    [{}, {"token": ""}, {"token": None}, {"token": 7}, {"token": "A" * 513}, {"x": 1}, []],
)
async def test_a_wrong_body_is_refused(client: httpx.AsyncClient, body: object) -> None:
    for path in (LOOKUP, ACCEPT):
        assert (await client.post(path, json=body)).status_code == 422


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
            await client.post(ACCEPT, json=newcomer(token)),
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
    token, other = (
        await token_of(owner, mailbox, user.email),
        await token_of(owner, mailbox, address()),
    )
    await set_status(database, tenant, status)
    assert problem(await client.post(LOOKUP, json={"token": token})) == (400, "token-invalid")
    assert problem(await user.post("/invites/accept", {"token": token})) == expected
    assert problem(await client.post(ACCEPT, json=newcomer(other))) == expected
    await set_status(database, tenant, TenantStatus.READY)
    assert (await user.post("/invites/accept", {"token": token})).status_code == 200
