"""Logins, each of which hashes a password."""

from collections.abc import Sequence
from typing import Final

import httpx

from bench.scene import Client, written
from tests.sign_in.password import PASSWORD

PATH: Final = "/api/v1/auth/login"


async def login_requests(clients: Sequence[Client]) -> list[bytes]:
    """Return a login for each client."""
    return [await _login(client) for client in clients]


async def _login(client: Client) -> bytes:
    user = client.signed_in
    body = {"email": user.email, "password": PASSWORD, "tenant": user.tenant}

    async def send(http: httpx.AsyncClient) -> None:
        await http.post(PATH, json=body)

    return await written(send, client.address)
