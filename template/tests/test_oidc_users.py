"""Who a person at the provider is here: made, linked, invited, removed."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import utcnow
from app.models.public.audit_logs import AuditLog
from app.models.public.tenant_invites import TenantInvite
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.users import User
from tests import background
from tests.answers import problem
from tests.browser import Browser
from tests.factories import Factory, SignedIn
from tests.mailbox import Mailbox
from tests.provider import address
from tests.sign_in.mode import USER_COLUMNS


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[Browser]:
    async with Browser.open(app) as browser:
        yield browser


async def invite(owner: SignedIn, email: str, role: str = "member") -> UUID:
    answer = await owner.post("/invites", {"email": email, "role": role})
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


async def tenants_of(browser: Browser, email: str) -> dict[str, str]:
    answer = await browser.sign_in(email)
    assert answer.status_code == 200, answer.text
    items = (await browser.me(answer, "/users/me/tenants")).json()["items"]
    return {item["slug"]: item["role"] for item in items}


async def test_a_user_is_linked_by_a_verified_address(browser: Browser, factory: Factory) -> None:
    user = await factory.user(address())
    refused = await browser.sign_in(user.email, {"email_verified": False})
    assert problem(refused) == (403, "email-not-verified")
    linked = await browser.sign_in(user.email, {"email": user.email.upper()})
    assert (await browser.me(linked)).json()["id"] == str(user.id)


async def test_a_name_that_clients_may_not_send_is_cleaned(browser: Browser) -> None:
    answer = await browser.sign_in(address(), {"name": "Eve\x1b[2J\r\nBcc: \u202ex"})
    assert (await browser.me(answer)).json()["full_name"] == "Eve[2J Bcc: x"


async def test_a_linked_user_needs_no_address_any_more(browser: Browser) -> None:
    email = address()
    first = await browser.me(await browser.sign_in(email))
    again = await browser.me(await browser.sign_in(email, {"email_verified": False}))
    assert first.json()["id"] == again.json()["id"]


async def test_an_address_that_the_provider_gives_to_another_carries_nothing_along(
    browser: Browser,
) -> None:
    email = address()
    assert (await browser.sign_in(email)).status_code == 200
    heir = await browser.sign_in(address(), {"email": email})
    assert problem(heir) == (409, "identity-conflict")


async def test_an_account_that_nobody_has_proven_is_handed_over(
    browser: Browser, factory: Factory
) -> None:
    user = await factory.user(address(), verified=False)
    squatter = await factory.sign_in(user)
    answer = await browser.sign_in(user.email, {"name": "True Owner"})
    me = (await browser.me(answer)).json()
    assert (me["id"], me["full_name"], me["email_verified"]) == (str(user.id), "True Owner", True)
    assert (await squatter.get("/users/me")).status_code == 401


async def test_a_new_address_is_followed_if_nobody_has_it(
    browser: Browser, factory: Factory
) -> None:
    email, new, taken = address(), address(), (await factory.user()).email
    await browser.sign_in(email)
    for claimed, shown in ((new, new), (taken, new)):
        answer = await browser.sign_in(email, {"email": claimed})
        assert (await browser.me(answer)).json()["email"] == shown
    unverified = {"email": address(), "email_verified": False}
    assert (await browser.me(await browser.sign_in(email, unverified))).json()["email"] == new


async def test_an_address_that_somebody_gets_meanwhile_is_not_followed(
    browser: Browser, factory: Factory, database: Database
) -> None:
    email, wanted = address(), address()
    await browser.sign_in(email)
    async with database.lobby() as lobby:
        await lobby.add(User(email=wanted, full_name="Grace Hopper", **USER_COLUMNS))
        signing_in = asyncio.create_task(browser.sign_in(email, {"email": wanted}))
        await background.eventually(lambda: background.somebody_waits_in(database))
    assert (await browser.me(await signing_in)).json()["email"] == email


async def test_many_first_sign_ins_make_one_user(app: FastAPI, database: Database) -> None:
    email = address()
    async with Browser.open(app) as one, Browser.open(app) as other:
        answers = [await browser.approve(await browser.start(email)) for browser in (one, other)]
        results = await asyncio.gather(one.come_back(answers[0]), other.come_back(answers[1]))
    assert [result.status_code for result in results] == [200, 200]
    async with database.lobby() as lobby:
        assert len(await lobby.scalars(select(User).where(col(User.email) == email))) == 1


async def test_an_invited_address_joins(
    app: FastAPI, browser: Browser, owner: SignedIn, tenant: Tenant
) -> None:
    email = address()
    await invite(owner, email, "admin")
    assert await tenants_of(browser, email) == {tenant.slug: "admin"}
    entered = await browser.sign_in(email, tenant=tenant.slug)
    assert entered.json()["tenant"]["role"] == "admin"
    assert (await owner.get("/invites")).json()["items"][0]["status"] == "accepted"
    mails = await Mailbox(app.state.components).of(email)
    assert [mail.subject for mail in mails] == [f"{tenant.name} is ready"]


async def test_an_invite_for_another_address_does_not(browser: Browser, owner: SignedIn) -> None:
    await invite(owner, address())
    assert await tenants_of(browser, address()) == {}


async def test_an_invite_for_an_address_that_is_not_verified_does_not(
    browser: Browser, owner: SignedIn
) -> None:
    email, invited = address(), address()
    await browser.sign_in(email)
    await invite(owner, invited)
    answer = await browser.sign_in(email, {"email": invited, "email_verified": False})
    assert (await browser.me(answer, "/users/me/tenants")).json()["items"] == []


async def test_an_invite_for_anothers_address_does_not(
    browser: Browser, owner: SignedIn, factory: Factory
) -> None:
    email, other = address(), await factory.user(address())
    await browser.sign_in(email)
    await invite(owner, other.email)
    answer = await browser.sign_in(email, {"email": other.email})
    assert (await browser.me(answer)).json()["email"] == email
    assert (await browser.me(answer, "/users/me/tenants")).json()["items"] == []
    assert (await owner.get("/invites")).json()["items"][0]["status"] == "pending"


async def test_a_removed_member_stays_removed(
    browser: Browser, owner: SignedIn, tenant: Tenant
) -> None:
    email = address()
    await invite(owner, email)
    entered = await browser.sign_in(email, tenant=tenant.slug)
    user_id = (await browser.me(entered)).json()["id"]
    assert (await owner.delete(f"/members/{user_id}")).status_code == 204
    assert await tenants_of(browser, email) == {}
    assert problem(await browser.sign_in(email, tenant=tenant.slug)) == (404, "tenant-not-found")
    await invite(owner, email)
    assert await tenants_of(browser, email) == {tenant.slug: "member"}


@pytest.mark.parametrize("ending", ["cancelled", "expired"])
async def test_an_invite_that_is_over_admits_nobody(
    browser: Browser, owner: SignedIn, database: Database, ending: str
) -> None:
    email = address()
    id = await invite(owner, email)
    if ending == "cancelled":
        assert (await owner.delete(f"/invites/{id}")).status_code == 204
    else:
        async with database.lobby() as lobby:
            over = {"expires_at": utcnow() - timedelta(seconds=1)}
            await lobby.execute(update(TenantInvite).where(col(TenantInvite.id) == id).values(over))
    assert await tenants_of(browser, email) == {}


async def test_a_closed_tenant_waits_until_it_opens(
    browser: Browser, owner: SignedIn, tenant: Tenant, database: Database
) -> None:
    email = address()
    await invite(owner, email)
    for status, found in (
        (TenantStatus.SUSPENDED, {}),
        (TenantStatus.READY, {tenant.slug: "member"}),
    ):
        async with database.lobby() as lobby:
            await lobby.execute(
                update(Tenant).where(col(Tenant.id) == tenant.id).values(status=status)
            )
        assert await tenants_of(browser, email) == found


async def test_who_joined_in_another_way_keeps_the_role(
    browser: Browser, factory: Factory, owner: SignedIn, tenant: Tenant
) -> None:
    user = await factory.user(f"p-{secrets.token_hex(6)}@example.test")
    await invite(owner, user.email, "owner")
    await factory.join(user, tenant.slug)
    assert await tenants_of(browser, user.email) == {tenant.slug: "member"}
    assert (await owner.delete(f"/members/{user.id}")).status_code == 204
    assert await tenants_of(browser, user.email) == {}


async def test_an_invite_ends_when_it_turns_out_to_be_a_members(
    browser: Browser, owner: SignedIn, tenant: Tenant, database: Database
) -> None:
    email, new = address(), address()
    await invite(owner, email)
    assert await tenants_of(browser, email) == {tenant.slug: "member"}
    id = await invite(owner, new, "admin")
    followed = await browser.sign_in(email, {"email": new})
    me = (await browser.me(followed)).json()
    assert me["email"] == new
    assert (await owner.get(f"/invites/{id}")).json()["status"] == "cancelled"
    async with database.lobby() as lobby:
        one = select(AuditLog).where(col(AuditLog.entity_id) == str(id))
        *_, row = await lobby.scalars(one.order_by(col(AuditLog.id)))
    assert (row.action, str(row.user_id), row.tenant_id) == (
        "invite.cancelled",
        me["id"],
        tenant.id,
    )
    assert (await owner.get("/members")).json()["items"][0]["role"] == "member"
