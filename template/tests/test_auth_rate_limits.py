"""How often a stranger may try: per account and per client address."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.core.settings import RateLimitSettings, Settings
from app.main import create_app
from tests.factories import PASSWORD, Factory

_WRONG = "not the password"


@pytest.fixture(scope="module")
async def limited(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application with small limits, except for requests as such."""
    limits = RateLimitSettings(
        client="1000 per 1 second",
        login_account="3 per 1 minute",
        login_address="5 per 1 minute",
        register_address="2 per 1 hour",
        mail_account="2 per 1 hour",
        token_address="4 per 1 minute",
    )
    app = create_app(settings.model_copy(update={"rate_limits": limits}))
    async with app.router.lifespan_context(app):
        yield app


class Stranger:
    """Somebody at an address that nobody had before."""

    def __init__(self, app: FastAPI) -> None:
        address = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"
        transport = httpx.ASGITransport(app=app, client=(address, 50000))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://testserver")

    async def post(self, path: str, body: dict[str, Any]) -> int:
        answer = await self.client.post(f"/api/v1/auth/{path}", json=body)
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["type"] == "/problems/rate-limited"
        return answer.status_code

    async def login(self, email: str, password: str = _WRONG) -> int:
        return await self.post("login", {"email": email, "password": password})


def unknown() -> str:
    return f"nobody-{secrets.token_hex(6)}@example.test"


@pytest.mark.parametrize("known", [True, False])
async def test_an_account_is_tried_so_many_times_from_anywhere(
    limited: FastAPI, factory: Factory, known: bool
) -> None:
    email = (await factory.user()).email if known else unknown()
    spellings = (email, email.upper(), email)
    assert [await Stranger(limited).login(spelling) for spelling in spellings] == [401] * 3
    assert await Stranger(limited).login(email) == 429
    assert await Stranger(limited).login(email, PASSWORD) == 429
    assert await Stranger(limited).login(unknown()) == 401


async def test_an_address_tries_so_many_accounts(limited: FastAPI) -> None:
    stranger = Stranger(limited)
    assert [await stranger.login(unknown()) for _ in range(6)] == [401] * 5 + [429]
    assert await Stranger(limited).login(unknown()) == 401


async def test_an_address_registers_so_many_times(limited: FastAPI) -> None:
    stranger = Stranger(limited)

    async def register() -> int:
        body = {
            "email": unknown(),
            "password": PASSWORD,
            "full_name": "Ada",
            "tenant_name": "Ada",
            "tenant_slug": f"ada-{secrets.token_hex(6)}",
        }
        return await stranger.post("register", body)

    assert [await register() for _ in range(3)] == [202, 202, 429]


@pytest.mark.parametrize("known", [True, False])
async def test_an_account_gets_so_many_mails(
    limited: FastAPI, factory: Factory, known: bool
) -> None:
    body = {"email": (await factory.user()).email if known else unknown()}
    assert await Stranger(limited).post("forgot-password", body) == 202
    assert await Stranger(limited).post("resend-verification", body) == 202
    assert await Stranger(limited).post("forgot-password", body) == 429


async def test_an_address_tries_so_many_tokens(limited: FastAPI) -> None:
    stranger = Stranger(limited)
    reset = {"token": "A" * 43, "new_password": PASSWORD}
    for _ in range(2):
        assert await stranger.post("verify-email", {"token": "A" * 43}) == 400
        assert await stranger.post("reset-password", reset) == 400
    assert await stranger.post("verify-email", {"token": "A" * 43}) == 429


async def test_a_stolen_access_token_does_not_help_to_guess_the_password(
    limited: FastAPI, factory: Factory
) -> None:
    user, stranger = await factory.signed_in(), Stranger(limited)
    body = {"current_password": _WRONG, "new_password": PASSWORD}
    seen = [
        await stranger.client.post(
            "/api/v1/users/me/password",
            json=body,
            headers={"Authorization": f"Bearer {user.token}"},
        )
        for _ in range(4)
    ]
    assert [answer.status_code for answer in seen] == [401, 401, 401, 429]
