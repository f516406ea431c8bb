"""A browser that signs in: it keeps cookies, and goes to the provider over HTTP."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
from fastapi import FastAPI

from tests.provider import Issuer, outside

START, CALLBACK = "/api/v1/auth/oidc/start", "/api/v1/auth/oidc/callback"


def cookie_name(place: int = 0) -> str:
    """Return the name of the cookie that a sign-in has over http."""
    return f"sign-in-{place}"


class Browser:
    """Signs in as whoever a test wants; the provider asks for no password."""

    def __init__(self, app: FastAPI) -> None:
        self.issuer = Issuer(app.state.components.settings.oidc.issuer)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self.service = httpx.AsyncClient(transport=transport, base_url="http://testserver")
        self.outside = outside()

    @classmethod
    @asynccontextmanager
    async def open(cls, app: FastAPI) -> AsyncIterator[Self]:
        """Yield a browser without cookies."""
        browser = cls(app)
        async with browser.service, browser.outside:
            yield browser

    async def start(self, email: str, **query: Any) -> httpx.Response:
        """Begin to sign in."""
        return await self.service.get(START, params={"login_hint": email, **query})

    async def approve(self, started: httpx.Response) -> dict[str, str]:
        """Sign in at the provider, and return what it sends the browser back with."""
        assert started.status_code == 303, started.text
        approved = await self.outside.get(started.headers["location"])
        back = await self.outside.get(approved.headers["location"])
        location = urlsplit(back.headers["location"])
        assert location.path == CALLBACK, back.text
        return {name: values[0] for name, values in parse_qs(location.query).items()}

    async def come_back(self, answer: dict[str, str]) -> httpx.Response:
        """Return the service's answer to what the provider sends the browser back with."""
        return await self.service.get(CALLBACK, params=answer)

    async def sign_in(
        self, email: str, claims: Mapping[str, Any] | None = None, **query: Any
    ) -> httpx.Response:
        """Sign in from the beginning to the end, as somebody with these `claims`."""
        if claims is not None:
            await self.issuer.control(people={f"dev|{email}": dict(claims)})
        return await self.come_back(await self.approve(await self.start(email, **query)))

    async def me(
        self, tokens: httpx.Response, path: str = "/users/me", body: Any = None
    ) -> httpx.Response:
        """Call a route with the tokens that a sign-in has returned; a `body` is posted."""
        headers = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
        method = "GET" if body is None else "POST"
        return await self.service.request(method, f"/api/v1{path}", headers=headers, json=body)
