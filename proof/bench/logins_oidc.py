"""Logins, each of which has a token of the identity provider verified."""

import os
from collections.abc import Sequence
from typing import Final

import httpx

from bench.scene import Client, written

PATH: Final = "/api/v1/auth/oidc/exchange"

_RETURN: Final = "http://127.0.0.1/callback"


async def login_requests(clients: Sequence[Client]) -> list[bytes]:
    """Return a login for each client."""
    issuer, client_id = os.environ["OIDC__ISSUER"], os.environ["OIDC__CLIENT_ID"]
    form = {"client_id": client_id, "redirect_uri": _RETURN}
    async with httpx.AsyncClient(base_url=issuer, trust_env=False) as provider:
        return [await _login(client, provider, form) for client in clients]


async def _login(client: Client, provider: httpx.AsyncClient, form: dict[str, str]) -> bytes:
    user = client.signed_in
    asked = {**form, "response_type": "code", "state": "x", "login_hint": user.email}
    approved = await provider.get("/authorize", params=asked)
    back = await provider.get(approved.headers["location"])
    code = httpx.URL(back.headers["location"]).params["code"]
    grant = {**form, "grant_type": "authorization_code", "code": code}
    tokens = (await provider.post("/token", data=grant)).raise_for_status().json()
    body = {"access_token": tokens["access_token"], "tenant": user.tenant}

    async def send(http: httpx.AsyncClient) -> None:
        await http.post(PATH, json=body)

    return await written(send, client.address)
