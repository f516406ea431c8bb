"""A tenant that requires the identity provider, and users who have both ways to sign in."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import utcnow, uuid7
from app.core.roles import Role
from app.core.settings import Settings
from app.models.public.audit_logs import AuditLog
from app.models.public.tenant_sign_in_rules import TenantSignInRule
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.users import User
from app.models.public.vouched_sessions import VouchedSession
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.tenant_sign_in_rules import TenantSignInRuleRepository
from app.repositories.public.tenants import TenantRegistry
from app.repositories.public.users import UserRepository
from app.services.audit_trail import Actor, AuditTrail
from app.services.operator_accounts import OperatorAccounts
from tests import background
from tests.answers import problem
from tests.browser import Browser
from tests.factories import Factory
from tests.invites import token_of
from tests.mailbox import Mailbox
from tests.provider import address
from tests.registrations import login, register, tenant_of, verify
from tests.sign_in.mode import USER_COLUMNS
from tests.sign_in.password import PASSWORD
from tests.two_ways import LOGIN, REFRESH, Member

CHOSEN = "the owner's very own passphrase"


@pytest.fixture
async def owner(app: FastAPI, factory: Factory, tenant: Tenant) -> AsyncIterator[Member]:
    user = await factory.user(address())
    await factory.join(user, tenant.slug, Role.OWNER)
    async with Browser.open(app) as browser:
        yield Member(user, tenant, browser)


async def test_by_default_both_ways_are_open(owner: Member) -> None:
    for tokens in (await owner.by_password(), await owner.by_provider()):
        assert tokens.status_code == 200, tokens.text
        answer = await owner.call(tokens, "GET", "/tenant/sign-in")
        assert answer.json() == {"requires_provider": False}


@pytest.mark.parametrize("value", [0, 1, "false", None])
async def test_the_rule_is_true_or_false(owner: Member, value: object) -> None:
    body = {"requires_provider": value}
    answer = await owner.call(await owner.by_password(), "PUT", "/tenant/sign-in", json=body)
    assert answer.status_code == 422


async def test_a_required_provider_shuts_passwords_out_at_once(owner: Member) -> None:
    here, lobby = await owner.by_password(), await owner.by_password(lobby=True)
    vouched = await owner.by_provider()
    assert (await owner.require(vouched)).json() == {"requires_provider": True}
    assert (await owner.call(here, "GET", "/tenant")).status_code == 401
    refreshed = await owner.client.post(
        REFRESH, json={"refresh_token": here.json()["refresh_token"]}
    )
    assert problem(refreshed) == (401, "refresh-token-invalid")
    refused = await owner.by_password()
    assert problem(refused) == (403, "provider-required")
    assert refused.json()["sign_in_url"] == "/api/v1/auth/oidc/start"
    switched = await owner.call(
        lobby, "POST", "/auth/switch-tenant", json={"tenant": owner.tenant.slug}
    )
    assert problem(switched) == (403, "provider-required")
    assert (await owner.call(lobby, "GET", "/users/me")).status_code == 200


async def test_who_comes_through_the_provider_goes_on(owner: Member) -> None:
    vouched = await owner.by_provider()
    assert (await owner.require(vouched)).status_code == 200
    assert (await owner.call(vouched, "GET", "/tenant")).status_code == 200
    refreshed = await owner.client.post(
        REFRESH, json={"refresh_token": vouched.json()["refresh_token"]}
    )
    assert refreshed.status_code == 200
    lobby = await owner.by_provider(lobby=True)
    switched = await owner.call(
        lobby, "POST", "/auth/switch-tenant", json={"tenant": owner.tenant.slug}
    )
    assert switched.status_code == 200
    assert (await owner.call(switched, "GET", "/tenant")).status_code == 200


async def test_the_rule_can_be_taken_back(owner: Member, database: Database) -> None:
    vouched = await owner.by_provider()
    assert (await owner.require(vouched)).status_code == 200
    assert (await owner.require(vouched)).status_code == 200
    assert (await owner.require(vouched, False)).json() == {"requires_provider": False}
    assert (await owner.by_password()).status_code == 200
    async with database.lobby() as lobby:
        rows = await lobby.scalars(
            select(AuditLog)
            .where(
                col(AuditLog.tenant_id) == owner.tenant.id,
                col(AuditLog.action) == "tenant.sign_in_changed",
            )
            .order_by(col(AuditLog.id))
        )
    assert [row.after for row in rows] == [
        {"requires_provider": True},
        {"requires_provider": False},
    ]


async def test_nobody_locks_themselves_out(owner: Member) -> None:
    answer = await owner.require(await owner.by_password())
    assert problem(answer) == (403, "provider-required")
    assert (await owner.by_password()).status_code == 200


async def test_only_an_owner_sets_the_rule(factory: Factory) -> None:
    for role in (Role.ADMIN, Role.MEMBER):
        member = await factory.member("acme", role)
        assert (await member.get("/tenant/sign-in")).status_code == 200
        answer = await member.call("PUT", "/tenant/sign-in", json={"requires_provider": True})
        assert problem(answer) == (403, "role-required")


async def test_nobody_sets_the_rule_who_is_demoted_at_that_moment(
    owner: Member, factory: Factory, database: Database
) -> None:
    await factory.member(owner.tenant.slug, Role.OWNER)
    vouched = await owner.by_provider()
    async with database.lobby() as lobby:
        memberships = MembershipRepository(lobby)
        member = await memberships.get_of(owner.tenant.id, owner.user.id)
        request = asyncio.create_task(owner.require(vouched))
        await background.eventually(lambda: background.somebody_waits_in(database))
        await memberships.update(member, {"role": Role.ADMIN})
    assert problem(await request) == (403, "role-required")
    assert (await owner.by_password()).status_code == 200


async def test_an_invite_asks_for_the_provider_too(
    app: FastAPI, owner: Member, factory: Factory, client: httpx.AsyncClient
) -> None:
    vouched = await owner.by_provider()
    await owner.require(vouched)
    email = address()
    sent = await owner.call(vouched, "POST", "/invites", json={"email": email, "role": "member"})
    assert sent.status_code == 201, sent.text
    token = await Mailbox(app.state.components).token(email)
    newcomer = {"token": token, "password": PASSWORD, "full_name": "Grace Hopper"}
    refused = await client.post("/api/v1/invites/accept", json=newcomer)
    assert problem(refused) == (403, "provider-required")
    known = await factory.sign_in(await factory.user(email))
    refused = await known.post("/invites/accept", {"token": token})
    assert problem(refused) == (403, "provider-required")
    [invite] = (await known.get("/users/me/invites")).json()["items"]
    refused = await known.post(f"/users/me/invites/{invite['id']}/accept")
    assert problem(refused) == (403, "provider-required")
    async with Browser.open(app) as browser:
        signed_in = await browser.sign_in(email)
        joined = await browser.me(signed_in, "/invites/accept", {"token": token})
    assert joined.status_code == 200, joined.text
    assert (await owner.call(joined, "GET", "/tenant")).status_code == 200


async def test_a_token_of_the_provider_vouches_as_well(
    owner: Member, client: httpx.AsyncClient
) -> None:
    await owner.require(await owner.by_provider())
    issuer = owner.browser.issuer
    sub = f"dev|{owner.user.email}"
    token = await issuer.token(sub=sub, email=owner.user.email, email_verified=True)
    body = {"access_token": token, "tenant": owner.tenant.slug}
    answer = await client.post("/api/v1/auth/oidc/exchange", json=body)
    assert answer.status_code == 200, answer.text


async def test_a_login_at_the_same_moment_does_not_slip_past(owner: Member) -> None:
    vouched = await owner.by_provider()
    logins = [owner.by_password() for _ in range(4)]
    required, *attempts = await asyncio.gather(owner.require(vouched), *logins)
    assert required.status_code == 200
    for tokens in attempts:
        if tokens.status_code == 200:
            assert (await owner.call(tokens, "GET", "/tenant")).status_code == 401
        else:
            assert problem(tokens) == (403, "provider-required")


async def test_a_login_that_has_waited_for_the_rule_obeys_it(
    owner: Member, database: Database
) -> None:
    async with database.lobby() as lobby:
        rules = TenantSignInRuleRepository(lobby)
        await rules.hold_to_change(owner.tenant.id)
        login = asyncio.create_task(owner.by_password())
        await background.eventually(lambda: background.somebody_waits_in(database))
        await rules.set(owner.tenant.id, requires_provider=True)

    assert problem(await login) == (403, "provider-required")


async def test_a_tenant_whose_schema_is_worked_on_keeps_nobody_waiting(
    owner: Member, database: Database
) -> None:
    tokens = (await owner.by_password()).json()
    async with database.lobby() as lobby:
        # As it is locked while its schema is migrated or dropped.
        await TenantRegistry(lobby).get(owner.tenant.id)
        refresh = {"refresh_token": tokens["refresh_token"]}
        assert (await owner.client.post(REFRESH, json=refresh)).status_code == 200
        assert (await owner.by_password()).status_code == 200


async def test_a_refresh_waits_for_a_change_of_the_rule_with_nothing_in_its_hands(
    owner: Member, factory: Factory, database: Database
) -> None:
    vouched = await owner.by_provider()
    await owner.require(vouched, required=False)
    user = await factory.user(address())
    await factory.join(user, owner.tenant.slug, Role.MEMBER)
    tokens = (await Member(user, owner.tenant, owner.browser).by_password()).json()
    async with database.lobby() as lobby:
        await lobby.execute(
            update(TenantSignInRule)
            .where(col(TenantSignInRule.tenant_id) == owner.tenant.id)
            .values(updated_at=utcnow())
        )
        change = asyncio.create_task(owner.require(vouched))
        await background.eventually(lambda: background.somebody_waits_in(database))
        body = {"refresh_token": tokens["refresh_token"]}
        refresh = asyncio.create_task(owner.client.post(REFRESH, json=body))
        await background.eventually(lambda: background.somebody_waits_in(database, number=2))

    assert (await change).status_code == 200
    assert problem(await refresh) == (401, "refresh-token-invalid")


async def test_a_reset_mailed_to_an_address_ends_with_the_address(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    email, new = address(), address()
    async with Browser.open(app) as browser:
        assert (await browser.sign_in(email)).status_code == 200
        await client.post("/api/v1/auth/forgot-password", json={"email": email})
        token = await Mailbox(app.state.components).token(email)
        assert (await browser.sign_in(email, {"email": new})).status_code == 200
    reset = {"token": token, "new_password": PASSWORD}
    answer = await client.post("/api/v1/auth/reset-password", json=reset)
    assert problem(answer) == (400, "token-invalid")


async def test_who_came_through_the_provider_has_no_password_until_one_is_set(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    email = address()
    async with Browser.open(app) as browser:
        assert (await browser.sign_in(email)).status_code == 200
    login = {"email": email, "password": PASSWORD}
    assert problem(await client.post(LOGIN, json=login)) == (401, "invalid-credentials")
    await client.post("/api/v1/auth/forgot-password", json={"email": email})
    token = await Mailbox(app.state.components).token(email)
    reset = {"token": token, "new_password": PASSWORD}
    assert (await client.post("/api/v1/auth/reset-password", json=reset)).status_code == 204
    assert (await client.post(LOGIN, json=login)).status_code == 200


async def test_the_password_of_an_unproven_account_ends_with_the_first_proof(
    app: FastAPI, factory: Factory, client: httpx.AsyncClient
) -> None:
    squatter = await factory.user(address(), verified=False)
    login = {"email": squatter.email, "password": PASSWORD}
    assert (await client.post(LOGIN, json=login)).status_code == 200
    async with Browser.open(app) as browser:
        assert (await browser.sign_in(squatter.email)).status_code == 200
    assert problem(await client.post(LOGIN, json=login)) == (401, "invalid-credentials")


async def test_a_registered_password_ends_with_the_link_although_its_mail_was_answered(
    app: FastAPI, client: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    stranger = await register(client, email=address())
    assert (await verify(client, await mailbox.token(stranger["email"]))).status_code == 200
    tokens = (await login(client, stranger)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    change = {"current_password": PASSWORD, "new_password": CHOSEN}
    changed = await client.post("/api/v1/users/me/password", json=change, headers=headers)
    assert changed.status_code == 204
    async with Browser.open(app) as browser:
        answer = await browser.sign_in(stranger["email"])
        assert (await browser.me(answer)).status_code == 200
    for password in (PASSWORD, CHOSEN):
        assert (await login(client, stranger, password=password)).status_code == 401
    assert (await client.get("/api/v1/users/me", headers=headers)).status_code == 401


@pytest.mark.parametrize("way", ["with the registration", "by a reset", "with an invite"])
async def test_a_password_that_the_reader_of_the_mail_chose_outlives_the_link(
    app: FastAPI,
    client: httpx.AsyncClient,
    factory: Factory,
    tenant: Tenant,
    mailbox: Mailbox,
    way: str,
) -> None:
    email = address()
    if way == "with an invite":
        inviter = await factory.member(tenant.slug, Role.OWNER)
        token = await token_of(inviter, mailbox, email)
        body = {"token": token, "password": CHOSEN, "full_name": "Grace Hopper"}
        chosen = await client.post("/api/v1/invites/accept", json=body)
    else:
        await register(client, email=email)
        if way == "by a reset":
            await client.post("/api/v1/auth/forgot-password", json={"email": email})
        path = "reset-password" if way == "by a reset" else "verify-email"
        body = {"token": await mailbox.token(email), "new_password": CHOSEN}
        chosen = await client.post(f"/api/v1/auth/{path}", json=body)
    assert chosen.is_success, chosen.text
    async with Browser.open(app) as browser:
        assert (await browser.sign_in(email)).status_code == 200
    assert (await login(client, {"email": email, "password": CHOSEN})).status_code == 200


async def test_an_operators_password_ends_with_the_link(
    app: FastAPI, client: httpx.AsyncClient, database: Database
) -> None:
    columns = {**USER_COLUMNS}
    del columns["password_predates_proof"]
    made = User(email=address(), full_name="Administrator", **columns)
    async with database.lobby() as lobby:
        trail = AuditTrail(lobby, Actor())
        await OperatorAccounts(UserRepository(lobby), trail).add(made)
    body = {"email": made.email, "password": PASSWORD}
    assert (await login(client, body)).status_code == 200
    async with Browser.open(app) as browser:
        assert (await browser.sign_in(made.email)).status_code == 200
    assert (await login(client, body)).status_code == 401


@pytest.mark.parametrize("known", [False, True])
async def test_registrations_end_when_the_provider_says_whose_the_address_is(
    app: FastAPI, client: httpx.AsyncClient, database: Database, mailbox: Mailbox, known: bool
) -> None:
    email = address()
    async with Browser.open(app) as browser:
        if known:
            assert (await browser.sign_in(email)).status_code == 200
        body = await register(client, email=email)
        token = await mailbox.token(email)
        claims = {"email": address()} if known else {}
        assert (await browser.sign_in(email, claims)).status_code == 200
    assert problem(await verify(client, token)) == (400, "token-invalid")
    pending = await tenant_of(database, body["tenant_slug"])
    assert pending is not None
    assert pending.status is TenantStatus.DELETED


async def test_the_clean_up_forgets_sessions_that_are_over(
    settings: Settings, admin_url: str
) -> None:
    async with (
        background.separate(settings, admin_url) as separate,
        background.working(separate) as work,
    ):
        user = await background.add_user(work)
        live, over = (
            VouchedSession(id=uuid7(), user_id=user.id, expires_at=utcnow() + until)
            for until in (timedelta(minutes=1), -timedelta(seconds=1))
        )
        async with work.database.lobby() as lobby:
            await lobby.add(live)
            await lobby.add(over)

        await work.clean_up.run()

        async with work.database.lobby() as lobby:
            assert await lobby.scalars(select(col(VouchedSession.id))) == [live.id]
