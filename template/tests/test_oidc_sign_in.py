"""Signing in through the identity provider with a browser: what is bound to what, and what is refused."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import uuid7
from app.core.oidc.sign_in_states import SignInState, SignInStates
from app.core.settings import Settings
from app.main import create_app
from app.models.public.audit_logs import AuditLog
from app.models.public.users import User
from tests.answers import problem
from tests.browser import START, Browser, cookie_name
from tests.factories import Factory
from tests.provider import address

LONG_AGO, YEAR_2100 = 1_000_000_000, 4_102_444_800
WRONG_CLAIMS: list[dict[str, Any]] = [
    {"iss": "https://evil.test"},
    {"aud": "another-client"},
    {"aud": ["app", "another-client"]},
    {"aud": ["app", "another-client"], "azp": "another-client"},
    {"azp": "another-client"},
    {"azp": 7},
    {"nonce": None},
    {"nonce": "another"},
    {"nonce": 7},
    {"exp": LONG_AGO},
    {"exp": None},
    {"nbf": YEAR_2100},
    {"iat": YEAR_2100},
    {"iat": None},
    {"sub": ""},
    {"sub": "x" * 256},
    {"sub": "a\x00b"},
    {"sub": 7},
]


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[Browser]:
    async with Browser.open(app) as browser:
        yield browser


@pytest.fixture
def states(app: FastAPI) -> SignInStates:
    states: SignInStates = app.state.components.sign_in.states
    return states


async def user_of(database: Database, email: str) -> User | None:
    async with database.lobby() as lobby:
        return await lobby.scalar(select(User).where(col(User.email) == email))


def state_in(browser: Browser, states: SignInStates, answer: dict[str, str]) -> SignInState:
    return states.read(cookie_in(browser), state=answer["state"])


def cookie_in(browser: Browser) -> str:
    return browser.service.cookies[cookie_name()]


def keep(browser: Browser, cookie: str) -> None:
    browser.service.cookies.clear()
    browser.service.cookies.set(cookie_name(), cookie, domain="testserver.local")


async def test_a_newcomer_is_made_just_in_time(browser: Browser, database: Database) -> None:
    email = address()
    answer = await browser.sign_in(email, {"name": "Ada  Lovelace\x07"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["tenant"] is None
    assert not browser.service.cookies
    me = (await browser.me(answer)).json()
    assert (me["email"], me["full_name"], me["email_verified"]) == (email, "Ada Lovelace", True)
    assert me["is_superuser"] is False
    user = await user_of(database, email)
    assert user is not None
    async with database.lobby() as lobby:
        rows = await lobby.scalars(
            select(AuditLog).where(col(AuditLog.user_id) == user.id).order_by(col(AuditLog.id))
        )
    assert [row.action for row in rows] == ["user.created", "identity.linked", "session.started"]


async def test_whoever_comes_again_is_the_same_user(browser: Browser) -> None:
    email = address()
    first = await browser.me(await browser.sign_in(email))
    again = await browser.me(await browser.sign_in(email))
    assert first.json()["id"] == again.json()["id"]


async def test_the_browser_keeps_a_cookie_that_scripts_and_other_sites_do_not_get(
    browser: Browser,
) -> None:
    started = await browser.start(address())
    cookie = started.headers["set-cookie"].lower()
    assert cookie.startswith("sign-in-")
    for attribute in ("httponly", "samesite=lax", "path=/", "max-age=600"):
        assert attribute in cookie
    location = httpx.URL(started.headers["location"])
    assert location.params["code_challenge_method"] == "S256"
    assert location.params["redirect_uri"] == "http://testserver/api/v1/auth/oidc/callback"
    assert len(location.params["nonce"]) == len(location.params["state"]) == 43


async def test_over_https_the_cookie_is_the_hosts_alone(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"public_url": "https://testserver"}))
    async with Browser.open(app) as browser:
        cookie = (await browser.start(address())).headers["set-cookie"]
    assert cookie.startswith("__Host-sign-in-")
    assert "; Secure" in cookie


async def test_below_a_path_the_browser_comes_back_below_it(settings: Settings) -> None:
    home = "http://testserver/svc/eu"
    app = create_app(settings.model_copy(update={"public_url": home}))
    async with Browser.open(app) as browser:
        browser.service.base_url = httpx.URL(home)
        started = await browser.start(address())
        elsewhere = await browser.service.get(START, headers={"Host": "other"})
    location = httpx.URL(started.headers["location"])
    assert location.params["redirect_uri"] == f"{home}/api/v1/auth/oidc/callback"
    # Another service of this host has cookies for itself.
    assert started.headers["set-cookie"].startswith("svc-eu-sign-in-")
    assert elsewhere.status_code in (303, 421)
    if elsewhere.status_code == 303:
        assert elsewhere.headers["location"].startswith(f"{home}/api/v1/auth/oidc/start?")


async def test_a_member_enters_a_tenant(browser: Browser, factory: Factory) -> None:
    user = await factory.user(address())
    await factory.join(user, "acme")
    answer = await browser.sign_in(user.email, tenant="acme")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["tenant"]["slug"], answer.json()["tenant"]["role"]) == ("acme", "member")


async def test_nobody_enters_a_strangers_tenant_and_nobody_is_made(
    browser: Browser, database: Database
) -> None:
    email = address()
    for slug in ("acme", "no-such-tenant"):
        answer = await browser.sign_in(email, tenant=slug)
        assert problem(answer) == (404, "tenant-not-found")
    assert await user_of(database, email) is None


async def test_another_verifier_is_refused_by_the_provider(
    browser: Browser, states: SignInStates, database: Database
) -> None:
    email = address()
    answer = await browser.approve(await browser.start(email))
    another = replace(state_in(browser, states, answer), verifier="x" * 43)
    keep(browser, states.sign(another))
    assert problem(await browser.come_back(answer)) == (400, "sign-in-refused")
    assert await user_of(database, email) is None


async def test_the_answer_belongs_to_the_browser_that_began(
    app: FastAPI, browser: Browser, states: SignInStates
) -> None:
    answer = await browser.approve(await browser.start(address()))
    known = state_in(browser, states, answer)
    cookie = cookie_in(browser)
    async with Browser.open(app) as other:
        assert problem(await other.come_back(answer)) == (400, "sign-in-invalid")
        await other.start(address())
        assert problem(await other.come_back(answer)) == (400, "sign-in-invalid")
    header, payload, signature = cookie.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","kid":"test","typ":"sign-in+jwt"}').decode()
    access_token, _ = app.state.components.access_tokens.issue(user_id=uuid7(), session_id=uuid7())
    for wrong in (
        states.sign(replace(known, exp=LONG_AGO)),
        f"{header}.{payload}.{signature[:-4]}AAAA",
        f"{unsigned.rstrip('=')}.{payload}.",
        access_token,
        "x",
        "x" * 5000,
    ):
        keep(browser, wrong)
        assert problem(await browser.come_back(answer)) == (400, "sign-in-invalid")
    keep(browser, cookie)
    assert problem(await browser.come_back(answer | {"state": "x" * 43})) == (
        400,
        "sign-in-invalid",
    )
    assert (await browser.come_back(answer)).status_code == 200


async def test_two_tabs_sign_in_at_once(browser: Browser) -> None:
    begun = [await browser.start(address()) for _ in range(2)]
    answers = [await browser.approve(started) for started in begun]
    for answer in answers:
        assert (await browser.come_back(answer)).status_code == 200


async def test_sign_ins_that_were_begun_never_fill_the_header(
    browser: Browser, settings: Settings
) -> None:
    begun = []
    for _ in range(30):
        # As long as it may be, and begun one after the other or at once.
        started = await browser.start(
            address(), return_to=f"/{'x' * 2000}", code_challenge="A" * 43
        )
        begun.append(await browser.approve(started))
        cookies = browser.service.cookies
        assert sum(len(f"{name}={cookies[name]}; ") for name in cookies) < 20 * 1024
    assert (await browser.service.get("/")).status_code == 200
    # The last one, and three others; within one second none is the oldest.
    assert (await browser.come_back(begun.pop())).status_code == 303
    seen = [(await browser.come_back(answer)).status_code for answer in begun]
    assert sorted(seen) == [303] * 3 + [400] * 26
    assert settings.http.max_header_bytes > 20 * 1024
    assert not browser.service.cookies


async def test_an_answer_counts_once(browser: Browser) -> None:
    started = await browser.start(address())
    # The person presses the button twice: two codes for one sign-in.
    first, second = await browser.approve(started), await browser.approve(started)
    cookie = cookie_in(browser)
    assert (await browser.come_back(first)).status_code == 200
    keep(browser, cookie)
    assert problem(await browser.come_back(first)) == (400, "sign-in-refused")
    assert problem(await browser.come_back(second)) == (400, "sign-in-invalid")


@pytest.mark.parametrize("claims", WRONG_CLAIMS, ids=repr)
async def test_an_id_token_that_does_not_hold(
    browser: Browser, database: Database, claims: dict[str, Any]
) -> None:
    email = address()
    answer = await browser.sign_in(email, claims)
    assert problem(answer) == (401, "provider-token-invalid")
    assert await user_of(database, email) is None


async def test_several_audiences_with_this_client_as_presenter(browser: Browser) -> None:
    claims = {"aud": ["app", "another-client"], "azp": "app"}
    assert (await browser.sign_in(address(), claims)).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "yes"},
        {"email_verified": 1},
        {"email": "no address"},
        {"email": f"{'x' * 300}@example.test"},
        {"email": ["a@example.test"]},
    ],
    ids=repr,
)
async def test_an_address_that_is_not_verified_makes_nobody(
    browser: Browser, database: Database, claims: dict[str, Any]
) -> None:
    email = address()
    # A claim that is taken away is not asked for elsewhere either.
    answer = await browser.sign_in(email, claims)
    assert problem(answer) == (403, "email-not-verified")
    assert await user_of(database, email) is None


async def test_some_providers_write_the_truth_as_text(browser: Browser) -> None:
    assert (await browser.sign_in(address(), {"email_verified": "true"})).status_code == 200


async def test_what_the_id_token_lacks_is_asked_of_the_provider(browser: Browser) -> None:
    email, hidden = address(), {"email": None, "email_verified": None}
    answer = await browser.sign_in(email, hidden)
    assert problem(answer) == (403, "email-not-verified")
    assert await browser.issuer.hits("/userinfo") > 0


async def test_who_names_an_address_says_whether_it_is_verified(browser: Browser) -> None:
    email = address()
    await browser.issuer.control(claims={"email": None, "email_verified": True})
    try:
        unverified = {"email": email, "email_verified": False}
        assert problem(await browser.sign_in(email, unverified)) == (403, "email-not-verified")
        assert (await browser.sign_in(email, {"email_verified": True})).status_code == 403
        named = {"email": email, "email_verified": True}
        assert (await browser.sign_in(email, named)).status_code == 200
    finally:
        await browser.issuer.control(claims={})


@pytest.mark.parametrize(
    "answer", [{"error": "access_denied"}, {}, {"code": ""}, {"code": "x", "error": "x"}]
)
async def test_a_provider_that_refuses(browser: Browser, answer: dict[str, str]) -> None:
    state = (await browser.approve(await browser.start(address())))["state"]
    assert problem(await browser.come_back({"state": state, **answer})) == (400, "sign-in-refused")


async def test_the_answer_of_another_provider(browser: Browser) -> None:
    answer = await browser.approve(await browser.start(address()))
    mixed_up = await browser.come_back(answer | {"iss": "https://evil.test"})
    assert problem(mixed_up) == (400, "sign-in-refused")
    assert (await browser.come_back(answer | {"iss": browser.issuer.url})).status_code == 200


@pytest.mark.parametrize("query", [{}, {"state": "x" * 129}, {"state": "x", "code": "x" * 4097}])
async def test_a_malformed_answer(browser: Browser, query: dict[str, str]) -> None:
    assert (await browser.come_back(query)).status_code == 422


@pytest.mark.parametrize("state", ["", "é", "\x00", "' OR 1=1 --"])
async def test_a_state_of_nobody(browser: Browser, state: str) -> None:
    answer = await browser.come_back({"state": state, "code": "x"})
    assert problem(answer) == (400, "sign-in-invalid")


async def test_no_connection_is_held_while_the_provider_is_asked(
    browser: Browser, database: Database
) -> None:
    answer = await browser.approve(await browser.start(address()))
    asked = await browser.issuer.hits("/token")
    await browser.issuer.control(hanging=["/token"])
    waiting = asyncio.create_task(browser.come_back(answer))
    while await browser.issuer.hits("/token") == asked:
        assert not waiting.done()
    assert database.pool.checkedout() == 0
    waiting.cancel()
    await browser.issuer.control(hanging=[])
