"""The token that a registration mails: what it opens, once, and what it does not."""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import utcnow
from app.models.public.email_verifications import EmailVerification
from app.models.public.tenants import TenantStatus
from app.models.public.users import User
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind
from tests.answers import problem
from tests.factories import Factory, SignedIn
from tests.invites import token_of
from tests.mailbox import Mailbox, token_in, tokens_in
from tests.registrations import login, register, tenant_of, verify
from tests.sign_in.password import PASSWORD

LOOKUP: Final = "/api/v1/auth/verify-email/lookup"
RESEND: Final = "/api/v1/auth/resend-verification"
CHOSEN: Final = "the owner's very own passphrase"
LISTED: Final = 10
"""Registrations that one mail names."""


async def provisionings(database: Database, tenant_id: UUID) -> int:
    async with database.lobby() as lobby:
        found = await lobby.scalars(
            select(WorkflowExecution).where(
                col(WorkflowExecution.tenant_id) == tenant_id,
                col(WorkflowExecution.kind) == WorkflowKind.PROVISION_TENANT,
            )
        )
    return len(found)


async def test_a_verified_address_opens_the_tenant(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    body = await register(client)
    tenant = await tenant_of(database, body["tenant_slug"])
    assert tenant is not None
    assert tenant.status is TenantStatus.PENDING
    assert await provisionings(database, tenant.id) == 0

    answer = await verify(client, await mailbox.token(body["email"]))
    assert answer.status_code == 200, answer.text
    user = answer.json()["user"]
    assert (user["email"], user["email_verified"]) == (body["email"], True)
    assert answer.json()["tenant"] == {
        "id": str(tenant.id),
        "slug": body["tenant_slug"],
        "name": "Analytical Engines",
        "status": "provisioning",
        "role": "owner",
    }
    assert await provisionings(database, tenant.id) == 1
    subjects = [message.subject for message in await mailbox.of(body["email"])]
    assert len(subjects) == 1, "the verification alone: whose tenant is made is welcomed once it is"


async def test_a_verification_token_works_once(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    body = await register(client)
    token = await mailbox.token(body["email"])
    answers = await asyncio.gather(*(verify(client, token) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    tenant = await tenant_of(database, body["tenant_slug"])
    assert tenant is not None
    assert await provisionings(database, tenant.id) == 1


async def test_an_expired_verification_token_is_refused(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    body = await register(client)
    token = await mailbox.token(body["email"])
    async with database.lobby() as lobby:
        user = await lobby.scalar(select(User).where(col(User.email) == body["email"]))
        assert user is not None
        await lobby.execute(
            update(EmailVerification)
            .where(col(EmailVerification.user_id) == user.id)
            .values(expires_at=utcnow() - timedelta(seconds=1))
        )
    answer = await verify(client, token)
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/token-invalid"


@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 512, "\x00", "ä" * 43])
async def test_an_unknown_verification_token_is_refused(
    client: httpx.AsyncClient, token: str
) -> None:
    answer = await verify(client, token)
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/token-invalid"


async def test_a_reset_token_verifies_nothing(
    client: httpx.AsyncClient, factory: Factory, mailbox: Mailbox
) -> None:
    user = await factory.user(verified=False)
    await client.post("/api/v1/auth/forgot-password", json={"email": user.email})
    assert (await verify(client, await mailbox.token(user.email))).status_code == 400


async def rivals(client: httpx.AsyncClient) -> tuple[dict[str, Any], dict[str, Any]]:
    """Register an address twice, first as its owner and then as a stranger who copies all that is shown."""
    mine = await register(client, password="the password of the owner")
    theirs = await register(client, email=mine["email"], password="a stranger has chosen this")
    return mine, theirs


async def status_of(database: Database, body: dict[str, Any]) -> TenantStatus:
    tenant = await tenant_of(database, body["tenant_slug"])
    assert tenant is not None
    return tenant.status


@pytest.mark.parametrize("first", [True, False])
async def test_what_is_confirmed_ends_every_other_registration_of_the_address(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox, first: bool
) -> None:
    bodies = await rivals(client)
    mails = await mailbox.of(bodies[0]["email"])
    confirmed, other = (0, 1) if first else (1, 0)

    assert (await verify(client, token_in(mails[confirmed]))).status_code == 200
    refused = await verify(client, token_in(mails[other]))

    assert problem(refused) == (400, "token-invalid")
    assert await status_of(database, bodies[confirmed]) is TenantStatus.PROVISIONING
    assert await status_of(database, bodies[other]) is TenantStatus.DELETED
    assert (await login(client, bodies[confirmed])).status_code == 200
    assert (await login(client, bodies[other])).status_code == 401
    await register(client, tenant_slug=bodies[other]["tenant_slug"])


async def test_of_two_that_are_confirmed_at_once_one_counts(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    bodies = await rivals(client)
    tokens = [token_in(mail) for mail in await mailbox.of(bodies[0]["email"])]
    answers = await asyncio.gather(*(verify(client, token) for token in tokens))
    assert sorted(answer.status_code for answer in answers) == [200, 400]
    assert {await status_of(database, body) for body in bodies} == {
        TenantStatus.PROVISIONING,
        TenantStatus.DELETED,
    }


async def test_what_was_asked_for_after_the_proof_stays_open(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    body = await register(client)
    await verify(client, await mailbox.token(body["email"]))
    second = await register(client, email=body["email"])
    token = await mailbox.token(body["email"])
    third = await register(client, email=body["email"])
    assert (await verify(client, token)).json()["tenant"]["slug"] == second["tenant_slug"]
    assert await status_of(database, third) is TenantStatus.PENDING


@pytest.mark.parametrize("way", ["reset", "invite", "invite, signed in"])
async def test_a_proof_in_another_way_ends_every_registration(
    client: httpx.AsyncClient,
    database: Database,
    mailbox: Mailbox,
    owner: SignedIn,
    way: str,
) -> None:
    mine, theirs = await rivals(client)
    tokens = [token_in(mail) for mail in await mailbox.of(mine["email"])]
    if way == "reset":
        await client.post("/api/v1/auth/forgot-password", json={"email": mine["email"]})
        chosen = {"token": await mailbox.token(mine["email"]), "new_password": CHOSEN}
        proven = await client.post("/api/v1/auth/reset-password", json=chosen)
    else:
        token = await token_of(owner, mailbox, mine["email"])
        access = (await login(client, mine)).json()["access_token"]
        new = way == "invite"
        proven = await client.post(
            "/api/v1/invites/accept",
            json={"token": token, "password": CHOSEN, "full_name": "Ada"}
            if new
            else {"token": token},
            headers={} if new else {"Authorization": f"Bearer {access}"},
        )
    assert proven.is_success, proven.text

    for token in tokens:
        assert problem(await verify(client, token)) == (400, "token-invalid")
    for body in (mine, theirs):
        assert await status_of(database, body) is TenantStatus.DELETED
    assert (await login(client, theirs)).status_code == 401


async def test_each_mail_says_which_registration_it_confirms(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    bodies = await rivals(client)
    mails = await mailbox.of(bodies[0]["email"])
    assert len({mail.subject for mail in mails}) == 2
    for body, mail in zip(bodies, mails, strict=True):
        tenant = await tenant_of(database, body["tenant_slug"])
        assert tenant is not None
        for said in (tenant.slug, tenant.name, f"{tenant.created_at:%Y-%m-%d %H:%M} UTC"):
            assert said in mail.text


async def test_a_repeated_mail_names_every_open_registration(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    bodies = await rivals(client)
    first = [token_in(mail) for mail in await mailbox.of(bodies[0]["email"])]
    await client.post(RESEND, json={"email": bodies[0]["email"]})
    *_, mail = await mailbox.of(bodies[0]["email"])
    assert tokens_in(mail) == first
    places = []
    for body, token in zip(bodies, first, strict=True):
        tenant = await tenant_of(database, body["tenant_slug"])
        assert tenant is not None
        assert f"{tenant.created_at:%Y-%m-%d %H:%M} UTC" in mail.text
        places += [mail.text.index(f"({tenant.slug})"), mail.text.index(f"Token: {token}")]
    assert places == sorted(places), "each beside its own link"
    assert (await verify(client, first[0])).json()["tenant"]["slug"] == bodies[0]["tenant_slug"]


async def test_nobody_pushes_a_registration_out_of_the_mail(
    client: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    mine = await register(client)
    own = await mailbox.token(mine["email"])
    for _ in range(LISTED + 1):
        await register(client, email=mine["email"])
    listed = []
    for _ in range(2):
        await client.post(RESEND, json={"email": mine["email"]})
        listed.append(tokens_in((await mailbox.of(mine["email"]))[-1]))
    assert [len(tokens) for tokens in listed] == [LISTED, LISTED]
    assert own == listed[0][0], "the one whose mail is the oldest comes first"
    assert len({*listed[0], *listed[1]}) == LISTED + 2, "the next mail goes on"


async def test_the_reader_of_the_mail_may_choose_the_password(
    client: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    body = await register(client)
    session = (await login(client, body)).json()
    token = await mailbox.token(body["email"])
    weak = await client.post(
        "/api/v1/auth/verify-email", json={"token": token, "new_password": body["full_name"]}
    )
    assert problem(weak) == (422, "password-too-weak")
    answer = await client.post(
        "/api/v1/auth/verify-email", json={"token": token, "new_password": CHOSEN}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["tenant"]["slug"] == body["tenant_slug"]
    assert (await login(client, body)).status_code == 401
    assert (await login(client, body, password=CHOSEN)).status_code == 200
    refreshed = await client.post(
        "/api/v1/auth/refresh", json={"refresh_token": session["refresh_token"]}
    )
    assert refreshed.status_code == 401


async def test_a_registration_sets_no_password_of_an_account(
    client: httpx.AsyncClient, factory: Factory, mailbox: Mailbox
) -> None:
    user = await factory.user()
    await register(client, email=user.email)
    token = await mailbox.token(user.email)
    seen = (await client.post(LOOKUP, json={"token": token})).json()
    assert seen["sets_password"] is False
    body = {"token": token, "new_password": CHOSEN}
    refused = await client.post("/api/v1/auth/verify-email", json=body)
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/body/new_password"]
    assert (await login(client, {"email": user.email, "password": PASSWORD})).status_code == 200
    assert (await verify(client, token)).status_code == 200


async def test_a_token_tells_what_it_confirms(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    body = await register(client)
    token = await mailbox.token(body["email"])
    tenant = await tenant_of(database, body["tenant_slug"])
    assert tenant is not None
    answer = await client.post(LOOKUP, json={"token": token})
    assert answer.status_code == 200, answer.text
    seen = answer.json()
    registered_at = datetime.fromisoformat(seen.pop("registered_at"))
    assert abs(registered_at - tenant.created_at) < timedelta(seconds=1)
    assert seen == {
        "email": body["email"],
        "full_name": body["full_name"],
        "tenant_name": body["tenant_name"],
        "tenant_slug": body["tenant_slug"],
        "sets_password": True,
    }
    assert (await verify(client, token)).status_code == 200
    for used in (token, "x", "\x00"):
        answer = await client.post(LOOKUP, json={"token": used})
        assert problem(answer) == (400, "token-invalid")
