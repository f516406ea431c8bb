"""Who a person at the provider is here: made, linked, invited, removed."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlmodel import col

from app.core.db.database import Database
from app.models.public.tenants import Tenant
from app.models.public.users import User
from tests import background
from tests.answers import problem
from tests.browser import Browser
from tests.factories import Factory, SignedIn
from tests.invites import token_of
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


async def offered(browser: Browser, tokens: httpx.Response) -> list[str]:
    items = (await browser.me(tokens, "/users/me/invites")).json()["items"]
    return [item["id"] for item in items]


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


async def test_a_sign_in_accepts_no_invite(
    browser: Browser, factory: Factory, owner: SignedIn
) -> None:
    for email in (address(), (await factory.user(address())).email):
        id = await invite(owner, email)
        assert await tenants_of(browser, email) == {}
        assert (await owner.get(f"/invites/{id}")).json()["status"] == "pending"
    assert [member["email"] for member in (await owner.get("/members")).json()["items"]] == [
        owner.email
    ]


async def test_a_newcomer_signs_in_and_joins_by_the_invites_link(
    app: FastAPI, browser: Browser, owner: SignedIn, tenant: Tenant
) -> None:
    email = address()
    token = await token_of(owner, Mailbox(app.state.components), email, "admin")
    signed_in = await browser.sign_in(email)
    accepted = await browser.me(signed_in, "/invites/accept", {"token": token})
    assert accepted.status_code == 200, accepted.text
    assert accepted.json()["tenant"]["role"] == "admin"
    assert await tenants_of(browser, email) == {tenant.slug: "admin"}
    entered = await browser.sign_in(email, tenant=tenant.slug)
    assert entered.json()["tenant"]["role"] == "admin"


async def test_a_user_joins_by_the_list_of_their_invites(
    browser: Browser, owner: SignedIn, tenant: Tenant
) -> None:
    email = address()
    id = await invite(owner, email)
    signed_in = await browser.sign_in(email)
    assert await offered(browser, signed_in) == [str(id)]
    accepted = await browser.me(signed_in, f"/users/me/invites/{id}/accept", {})
    assert accepted.status_code == 200, accepted.text
    assert await tenants_of(browser, email) == {tenant.slug: "member"}


async def test_an_invite_is_for_the_verified_address_that_the_user_has_here(
    browser: Browser, owner: SignedIn, factory: Factory
) -> None:
    email, invited, other = address(), address(), await factory.user(address())
    await browser.sign_in(email)
    for each in (invited, other.email):
        await invite(owner, each)
    unverified = await browser.sign_in(email, {"email": invited, "email_verified": False})
    assert await offered(browser, unverified) == []
    of_another = await browser.sign_in(email, {"email": other.email})
    assert await offered(browser, of_another) == []
    followed = await browser.sign_in(email, {"email": invited})
    assert len(await offered(browser, followed)) == 1


async def test_a_removed_member_stays_removed(
    browser: Browser, owner: SignedIn, tenant: Tenant
) -> None:
    email, new = address(), address()
    id = await invite(owner, email)
    signed_in = await browser.sign_in(email)
    await browser.me(signed_in, f"/users/me/invites/{id}/accept", {})
    # Theirs by now: it ends with the membership, as one to their address before it.
    await invite(owner, new, "admin")
    followed = await browser.sign_in(email, {"email": new})
    user_id = (await browser.me(followed)).json()["id"]
    assert (await owner.delete(f"/members/{user_id}")).status_code == 204
    again = await browser.sign_in(email, {"email": new})
    assert await offered(browser, again) == []
    refused = await browser.sign_in(email, {"email": new}, tenant=tenant.slug)
    assert problem(refused) == (404, "tenant-not-found")
    assert (await owner.get("/invites")).json()["items"][0]["status"] == "cancelled"
