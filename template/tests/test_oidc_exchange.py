"""Exchanging the provider's access tokens for sessions, and a provider that is gone."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.core.oidc.settings import OidcSettings
from app.core.settings import Settings
from app.main import create_app
from tests.answers import problem
from tests.browser import START, Browser
from tests.factories import Factory
from tests.provider import Issuer, address, person, sections

EXCHANGE = "/api/v1/auth/oidc/exchange"


@pytest.fixture(scope="module")
def issuer(app: FastAPI) -> Issuer:
    return Issuer(app.state.components.settings.oidc.issuer)


@pytest.fixture
async def gone(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service whose provider is not there."""
    oidc = OidcSettings.model_validate(sections("http://127.0.0.1:1/gone")["oidc"])
    app = create_app(settings.model_copy(update={"oidc": oidc}))
    async with Browser.open(app) as browser:
        yield browser.service


async def exchange(client: httpx.AsyncClient, token: str, **body: Any) -> httpx.Response:
    return await client.post(EXCHANGE, json={"access_token": token, **body})


async def test_a_token_starts_a_session(client: httpx.AsyncClient, issuer: Issuer) -> None:
    email = address()
    answer = await exchange(client, await issuer.token(**person(email)))
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await client.get("/api/v1/users/me", headers=headers)).json()["email"] == email
    refreshed = await client.post(
        "/api/v1/auth/refresh", json={"refresh_token": answer.json()["refresh_token"]}
    )
    assert refreshed.status_code == 200


async def test_it_enters_a_tenant_of_its_user_alone(
    client: httpx.AsyncClient, issuer: Issuer, factory: Factory
) -> None:
    user = await factory.user(address())
    token = await issuer.token(**person(user.email))
    assert problem(await exchange(client, token, tenant="acme")) == (404, "tenant-not-found")
    await factory.join(user, "acme")
    assert (await exchange(client, token, tenant="acme")).json()["tenant"]["slug"] == "acme"


async def test_the_providers_token_itself_opens_nothing(
    client: httpx.AsyncClient, issuer: Issuer
) -> None:
    headers = {"Authorization": f"Bearer {await issuer.token(**person(address()))}"}
    assert problem(await client.get("/api/v1/users/me", headers=headers)) == (
        401,
        "unauthenticated",
    )


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"aud": "another"}, (401, "provider-token-invalid")),
        ({"email_verified": False}, (403, "email-not-verified")),
    ],
)
async def test_what_does_not_hold(
    client: httpx.AsyncClient, issuer: Issuer, claims: dict[str, Any], expected: tuple[int, str]
) -> None:
    answer = await exchange(client, await issuer.token(**(person(address()) | claims)))
    assert problem(answer) == expected
    assert ("www-authenticate" in answer.headers) is (expected[0] == 401)


@pytest.mark.parametrize(
    "body",
    [{}, {"access_token": ""}, {"access_token": "x" * 16_385}, {"access_token": 7}, [], {"x": 1}],
    ids=lambda body: repr(body)[:30],
)
async def test_a_malformed_exchange(client: httpx.AsyncClient, body: Any) -> None:
    assert (await client.post(EXCHANGE, json=body)).status_code == 422


@pytest.mark.parametrize("token", ["x", "\x00", "é", "a.b.c", "' OR 1=1 --"])
async def test_no_token_at_all(client: httpx.AsyncClient, token: str) -> None:
    assert problem(await exchange(client, token)) == (401, "provider-token-invalid")


async def test_a_provider_that_is_gone_is_a_clear_problem(
    gone: httpx.AsyncClient, issuer: Issuer
) -> None:
    token = await issuer.token(**person(address()))
    for answer in (await gone.get(START), await exchange(gone, token)):
        assert problem(answer) == (503, "provider-unavailable")
        assert answer.headers["retry-after"] == "5"
    assert (await gone.get("/health/live")).status_code == 200


async def test_who_is_signed_in_needs_no_provider(
    gone: httpx.AsyncClient, factory: Factory
) -> None:
    user = await factory.signed_in()
    headers = {"Authorization": f"Bearer {user.token}"}
    assert (await gone.get("/api/v1/users/me", headers=headers)).status_code == 200
