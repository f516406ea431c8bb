"""Registration: a stranger names an address, its reader makes it count."""

import asyncio
import json
import secrets

import httpx
import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.core.db.database import Database
from app.models.public.audit_logs import AuditLog
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.users import User
from app.models.public.workflow_executions import WorkflowExecution
from tests import background
from tests.factories import Factory
from tests.mailbox import Mailbox, token_in
from tests.registrations import login, register, registration, tenant_of, verify
from tests.sign_in.password import PASSWORD

OTHER_PASSWORD = "another horse, another battery"


async def test_one_of_eight_simultaneous_registrations_gets_the_slug(
    client: httpx.AsyncClient, database: Database
) -> None:
    slug = f"race-{secrets.token_hex(6)}"
    bodies = [
        registration(tenant_slug=slug if turn % 2 else slug.replace("-", "_")) for turn in range(8)
    ]
    answers = await asyncio.gather(
        *(client.post("/api/v1/auth/register", json=body) for body in bodies)
    )
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    refused = [answer for answer in answers if answer.status_code == 409]
    assert {answer.json()["type"] for answer in refused} == {"/problems/slug-taken"}
    async with database.lobby() as lobby:
        emails = [body["email"] for body in bodies]
        added = await lobby.scalars(select(User).where(col(User.email).in_(emails)))
    assert len(added) == 1, "a refused registration leaves nothing"


async def test_one_user_comes_of_eight_simultaneous_registrations_of_an_address(
    client: httpx.AsyncClient, database: Database
) -> None:
    email = f"race-{secrets.token_hex(6)}@example.test"
    bodies = [registration(email=email) for _ in range(8)]
    answers = await asyncio.gather(
        *(client.post("/api/v1/auth/register", json=body) for body in bodies)
    )
    assert {answer.status_code for answer in answers} == {202}
    async with database.lobby() as lobby:
        users = await lobby.scalars(select(User).where(col(User.email) == email))
        assert len(users) == 1
        tenants = await lobby.scalars(select(Tenant).where(col(Tenant.created_by) == users[0].id))
    assert len(tenants) == 8


async def test_a_renamed_tenants_old_slug_can_be_taken(
    client: httpx.AsyncClient, database: Database
) -> None:
    body = await register(client)
    slug = body["tenant_slug"]
    async with database.lobby() as lobby:
        await lobby.execute(
            update(Tenant).where(col(Tenant.slug) == slug).values(slug=f"{slug}-renamed")
        )
    await background.let_hold_end(database, slug)
    await register(client, tenant_slug=slug)
    renamed, taken = (
        await tenant_of(database, f"{slug}-renamed"),
        await tenant_of(database, slug),
    )
    assert renamed is not None
    assert taken is not None
    assert renamed.schema_name == f"tenant_{slug.replace('-', '_')}"
    assert taken.schema_name.startswith(renamed.schema_name)
    assert taken.schema_name != renamed.schema_name


async def test_a_taken_slug_leaves_no_user(client: httpx.AsyncClient, database: Database) -> None:
    body = registration(tenant_slug="acme")
    answer = await client.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/slug-taken"
    async with database.lobby() as lobby:
        assert await lobby.scalar(select(User).where(col(User.email) == body["email"])) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("email", "a@b\x00.test"),
        ("email", f"{'a' * 300}@example.test"),
        ("email", None),
        ("password", ""),
        ("password", "x" * 257),
        ("password", 7),
        ("full_name", " "),
        ("full_name", "nul \x00"),
        ("full_name", "half \ud800"),
        ("full_name", "x" * 201),
        ("full_name", "\x1b]0;title\x07"),
        ("tenant_name", ""),
        ("tenant_name", "Acme\nforged     ready"),
        ("tenant_name", "Acme \u202egro.live"),
        ("tenant_slug", "../etc"),
        ("tenant_slug", "UPPER"),
        ("tenant_slug", "a--b"),
        ("tenant_slug", "x" * 57),
        ("tenant_slug", "0190f3c8-1b2c-7def-8abc-0123456789ab"),
        ("is_superuser", True),
    ],
)
async def test_a_wrong_registration_is_refused(
    client: httpx.AsyncClient, field: str, value: object
) -> None:
    # The json module writes half a surrogate pair as an escape, httpx would refuse it.
    body = json.dumps(registration(**{field: value}))
    answer = await client.post(
        "/api/v1/auth/register", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/body/{field}"]
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("password", ["password1", "ada lovelace", "analytical engines"])
async def test_a_password_that_is_easy_to_guess_is_refused(
    client: httpx.AsyncClient, database: Database, password: str
) -> None:
    body = registration(password=password)
    answer = await client.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/password-too-weak"
    assert await tenant_of(database, body["tenant_slug"]) is None


async def test_whoever_registered_an_address_first_gains_nothing(
    client: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    first = await register(client)
    squatter = (await login(client, first)).json()
    second = await register(
        client, email=first["email"], password=OTHER_PASSWORD, full_name="The Owner"
    )
    assert (await login(client, second)).status_code == 401, "not proven yet"

    answer = await verify(client, await mailbox.token(second["email"]))
    assert answer.json()["user"]["full_name"] == "The Owner"
    assert answer.json()["tenant"]["slug"] == second["tenant_slug"]
    assert (await login(client, first)).status_code == 401
    assert (await login(client, second)).status_code == 200
    token = {"refresh_token": squatter["refresh_token"]}
    assert (await client.post("/api/v1/auth/refresh", json=token)).status_code == 401
    headers = {"Authorization": f"Bearer {squatter['access_token']}"}
    assert (await client.get("/api/v1/users/me", headers=headers)).status_code == 401


async def test_whoever_answers_the_mail_goes_on_in_the_same_session(
    client: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    body = await register(client)
    headers = {"Authorization": f"Bearer {(await login(client, body)).json()['access_token']}"}
    await verify(client, await mailbox.token(body["email"]))
    me = await client.get("/api/v1/users/me", headers=headers)
    assert me.json()["email_verified"] is True


async def test_a_registration_of_a_known_address_changes_nothing_of_its_user(
    client: httpx.AsyncClient, factory: Factory, database: Database, mailbox: Mailbox
) -> None:
    user = await factory.user()
    body = await register(
        client, email=user.email, password=OTHER_PASSWORD, full_name="Somebody Else"
    )
    signed_in = await login(client, body, password=PASSWORD)
    assert signed_in.status_code == 200

    answer = await verify(client, await mailbox.token(user.email))
    assert answer.status_code == 200
    assert answer.json()["user"]["full_name"] == user.full_name
    assert answer.json()["tenant"]["status"] == "provisioning"
    assert (await login(client, body)).status_code == 401
    assert (await login(client, body, password=PASSWORD)).status_code == 200
    headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
    assert (await client.get("/api/v1/users/me", headers=headers)).status_code == 200


async def test_who_has_proven_the_address_sees_no_tenant_of_a_stranger(
    client: httpx.AsyncClient, factory: Factory, mailbox: Mailbox
) -> None:
    user = await factory.signed_in()
    body = await register(client, email=user.email, tenant_name="You owe us 100 dollars")
    slug = body["tenant_slug"]

    async def shown() -> list[str]:
        mine, memberships = [
            (await user.get(path)).json()["items"] for path in ("/tenants", "/users/me/tenants")
        ]
        assert [tenant["id"] for tenant in mine] == [tenant["id"] for tenant in memberships]
        return [tenant["slug"] for tenant in mine]

    assert await shown() == []
    assert (await user.get(f"/tenants/{slug}")).status_code == 404
    await verify(client, await mailbox.token(user.email))
    assert await shown() == [slug]
    assert (await user.get(f"/tenants/{slug}")).json()["status"] == "provisioning"


async def test_who_has_not_sees_what_was_asked_for(client: httpx.AsyncClient) -> None:
    body = await register(client)
    tokens = (await login(client, body)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    mine = (await client.get("/api/v1/tenants", headers=headers)).json()["items"]
    assert [(tenant["slug"], tenant["status"]) for tenant in mine] == [
        (body["tenant_slug"], "pending")
    ]


async def test_the_mail_is_sent_again_as_long_as_it_is_not_answered(
    client: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    body = await register(client)
    await mailbox.of(body["email"])
    # The newest one is somebody else's.
    await register(client)
    resend = {"email": body["email"].upper()}
    answer = await client.post("/api/v1/auth/resend-verification", json=resend)
    assert answer.status_code == 202
    first, second = await mailbox.of(body["email"])
    assert token_in(first) == token_in(second)
    assert (await verify(client, token_in(second))).status_code == 200
    before = len(await mailbox.of(body["email"]))
    await client.post("/api/v1/auth/resend-verification", json=resend)
    assert len(await mailbox.of(body["email"])) == before


async def test_a_tenant_that_was_given_up_stays_closed(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    body = await register(client)
    async with database.lobby() as lobby:
        await lobby.execute(
            update(Tenant)
            .where(col(Tenant.slug) == body["tenant_slug"])
            .values(status=TenantStatus.DELETED)
        )
    answer = (await verify(client, await mailbox.token(body["email"]))).json()
    assert answer["user"]["email_verified"] is True
    assert answer["tenant"] is None


async def test_a_registration_leaves_a_trail_without_secrets(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    body = await register(client)
    token = await mailbox.token(body["email"])
    user = (await verify(client, token)).json()["user"]
    tenant = await tenant_of(database, body["tenant_slug"])
    assert tenant is not None
    async with database.lobby() as lobby:
        trail = await lobby.scalars(
            select(AuditLog)
            .where(col(AuditLog.entity_id).in_([user["id"], str(tenant.id)]))
            .order_by(col(AuditLog.id))
        )
        requested = await lobby.scalars(
            select(WorkflowExecution).where(col(WorkflowExecution.tenant_id) == tenant.id)
        )
    assert [(row.action, str(row.user_id or "")) for row in trail] == [
        ("tenant.created", ""),
        ("user.registered", ""),
        ("user.verified", user["id"]),
        ("tenant.confirmed", user["id"]),
    ], "who registers is nobody yet"
    written = " ".join(str((row.before, row.after)) for row in trail)
    payloads = " ".join(str(row.payload) for row in requested)
    assert len(requested) == 2
    for secret in (PASSWORD, "argon2", token):
        assert secret not in written + payloads
    assert body["email"] not in payloads
