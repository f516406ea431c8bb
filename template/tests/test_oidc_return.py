"""Going back to the page that began the sign-in: where that may be, and who can use what it gets."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.core.db.database import Database
from app.core.identifiers import utcnow
from app.core.oidc.identity_provider import challenge_of
from app.core.settings import HttpSettings, Settings
from app.main import create_app
from app.models.public.provider_sign_ins import ProviderSignIn
from tests.answers import problem
from tests.browser import START, Browser
from tests.factories import Factory
from tests.provider import address

REDEEM, LEAVE = "/api/v1/auth/oidc/redeem", "/api/v1/auth/oidc/leave"
VERIFIER = secrets.token_urlsafe(32)
BACK: Final[dict[str, Any]] = {
    "return_to": "/signed-in?page=1#top",
    "code_challenge": challenge_of(VERIFIER),
}


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[Browser]:
    async with Browser.open(app) as browser:
        yield browser


async def code_of(browser: Browser, email: str, **query: Any) -> str:
    answer = await browser.sign_in(email, **BACK, **query)
    assert answer.status_code == 303, answer.text
    location = httpx.URL(answer.headers["location"])
    assert str(location).startswith("http://testserver/signed-in?page=1&code=")
    return str(location.params["code"])


async def redeem(browser: Browser, code: str, verifier: str = VERIFIER) -> httpx.Response:
    # All but ASCII escaped, as half a surrogate pair cannot be sent otherwise.
    body = json.dumps({"code": code, "code_verifier": verifier})
    headers = {"Content-Type": "application/json"}
    return await browser.service.post(REDEEM, content=body, headers=headers)


async def test_the_page_redeems_its_code_once(browser: Browser) -> None:
    code = await code_of(browser, address())
    answers = await asyncio.gather(*(redeem(browser, code) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    tokens = next(answer for answer in answers if answer.status_code == 200)
    assert (await browser.me(tokens)).status_code == 200
    assert problem(await redeem(browser, code)) == (400, "token-invalid")


@pytest.mark.parametrize("verifier", ["x" * 43, "\ud800" * 43], ids=["another", "half a pair"])
async def test_another_verifier_spends_the_code(browser: Browser, verifier: str) -> None:
    code = await code_of(browser, address())
    assert problem(await redeem(browser, code, verifier)) == (400, "token-invalid")
    assert problem(await redeem(browser, code)) == (400, "token-invalid")


async def test_a_code_is_good_for_a_minute(browser: Browser, database: Database) -> None:
    code = await code_of(browser, address())
    async with database.lobby() as lobby:
        await lobby.execute(
            update(ProviderSignIn).values(code_expires_at=utcnow() - timedelta(seconds=1))
        )
    assert problem(await redeem(browser, code)) == (400, "token-invalid")


async def test_the_code_enters_the_tenant_while_its_user_is_a_member(
    browser: Browser, factory: Factory
) -> None:
    user = await factory.user(address())
    await factory.join(user, "acme")
    entered = await redeem(browser, await code_of(browser, user.email, tenant="acme"))
    assert entered.json()["tenant"]["slug"] == "acme"
    code = await code_of(browser, user.email, tenant="acme")
    await factory.leave(user, "acme")
    assert problem(await redeem(browser, code)) == (404, "tenant-not-found")


async def test_the_page_learns_what_went_wrong(browser: Browser) -> None:
    answer = await browser.sign_in(address(), {"email_verified": False}, **BACK)
    assert answer.status_code == 303
    location = "http://testserver/signed-in?page=1&error=email-not-verified"
    assert answer.headers["location"] == location
    assert "sign-in-" in answer.headers["set-cookie"]
    assert not browser.service.cookies


async def test_what_is_no_redemption(browser: Browser) -> None:
    for code in ("x", "A" * 43, "\x00", "é" * 43):
        assert problem(await redeem(browser, code)) == (400, "token-invalid")
    short, long = {"code_verifier": "short"}, {"code_verifier": "x" * 129}
    malformed: list[Any] = [{}, {"code": "x"}, {"code": "x", **short}, {"code": "x", **long}, []]
    for body in malformed:
        assert (await browser.service.post(REDEEM, json=body)).status_code == 422


async def pointers(browser: Browser, path: str, **query: str) -> list[str]:
    answer = await browser.service.get(path, params=query)
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.json()["errors"]]


async def test_it_leads_nowhere_else(browser: Browser) -> None:
    for return_to in (
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "https://evil.test",
        "http://testserver.evil.test/",
        "http://testserver@evil.test/",
        "http://evil.test#http://testserver/",
        "https://testserver/",
        "http://testserver:81/",
        "javascript:alert(1)",
        "/a\nb",
        "/\tevil",
        " /a",
        "/é",
        "signed-in",
        "",
        "/" + "x" * 2048,
    ):
        begun = await pointers(browser, START, **{**BACK, "return_to": return_to})
        left = await pointers(browser, LEAVE, return_to=return_to)
        assert begun == left == ["/query/return_to"], return_to


async def test_the_provider_sends_people_back_to_the_public_address(browser: Browser) -> None:
    lie = {"X-Forwarded-Host": "evil.test", "Forwarded": "host=evil.test"}
    begun = await browser.service.get(START, headers=lie)
    back = httpx.URL(begun.headers["location"]).params["redirect_uri"]
    assert back == "http://testserver/api/v1/auth/oidc/callback"


async def test_a_page_brings_a_challenge(browser: Browser) -> None:
    for challenge in ({}, *({"code_challenge": x} for x in ("short", "x" * 44, "!" * 43))):
        assert await pointers(browser, START, return_to="/", **challenge) == [
            "/query/code_challenge"
        ]


async def test_origins_that_may_call_the_service_are_allowed(settings: Settings) -> None:
    http = HttpSettings.model_validate({"cors_origins": ["https://app.example.com", "*"]})
    async with Browser.open(create_app(settings.model_copy(update={"http": http}))) as browser:
        for return_to, status in {
            "https://app.example.com/done": 303,
            "http://testserver/done": 303,
            "https://app.example.com.evil.test/": 422,
            "https://app.example.com:444/": 422,
            "http://app.example.com/": 422,
        }.items():
            answer = await browser.service.get(START, params={**BACK, "return_to": return_to})
            assert answer.status_code == status, return_to


async def test_a_page_of_the_tenant_may_begin_as_well(app: FastAPI, browser: Browser) -> None:
    page = f"{app.state.components.tenant_urls.of('acme')}/done"
    query = {**BACK, "return_to": page, "tenant": "acme"}
    assert (await browser.service.get(START, params=query)).status_code == 303


async def test_what_begins_at_another_host_goes_on_at_home(browser: Browser) -> None:
    query = {"login_hint": address(), **BACK}
    begun = await browser.service.get(f"http://acme.testserver{START}", params=query)
    assert begun.status_code == 303
    assert begun.headers["location"].startswith(f"http://testserver{START}?login_hint=")
    assert "set-cookie" not in begun.headers
    at_home = await browser.service.get(begun.headers["location"])
    back = await browser.come_back(await browser.approve(at_home))
    assert back.headers["location"].startswith("http://testserver/signed-in?page=1&code=")


async def test_behind_a_proxy_that_renames_the_host_it_begins_all_the_same(
    browser: Browser,
) -> None:
    query, headers = {"login_hint": address(), "moved": "true"}, {"Host": "acme.testserver"}
    moved = await browser.service.get(START, params=query, headers=headers)
    assert (await browser.come_back(await browser.approve(moved))).status_code == 200


async def test_leaving_leads_to_the_provider_and_back(browser: Browser) -> None:
    left = await browser.service.get(LEAVE, params={"return_to": "/bye"})
    assert (left.status_code, left.headers["location"].partition("?")[0]) == (
        303,
        f"{browser.issuer.url}/endsession",
    )
    back = await browser.outside.get(left.headers["location"])
    assert back.headers["location"] == "http://testserver/bye"
