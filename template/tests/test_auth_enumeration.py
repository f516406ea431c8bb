"""Nobody learns who has an account: known and unknown addresses get the same answer for the same work."""

import secrets
from typing import Any

import httpx
import pytest

from app.core.db.database import Database
from tests.factories import Factory
from tests.sign_in.password import PASSWORD
from tests.work import Work, recorded


async def asked(
    client: httpx.AsyncClient, database: Database, path: str, body: dict[str, Any]
) -> tuple[int, dict[str, Any], dict[str, str], Work]:
    async with recorded(database) as work:
        answer = await client.post(f"/api/v1/auth/{path}", json=body)
    document = answer.json()
    document.pop("request_id", None)
    own = ("x-request-id", "date")
    headers = {name: value for name, value in answer.headers.items() if name not in own}
    work.statements.sort()
    return answer.status_code, document, headers, work


async def emails(factory: Factory) -> dict[str, str]:
    """Return an address of each kind of account."""
    return {
        "verified": (await factory.user()).email,
        "unverified": (await factory.user(verified=False)).email,
        "unknown": f"nobody-{secrets.token_hex(6)}@example.test",
    }


@pytest.fixture(autouse=True)
async def warm(client: httpx.AsyncClient, factory: Factory) -> None:
    """Let the pool connect and each route run once: what it does first is not what is compared."""
    user = await factory.user()
    body = {"email": user.email, "password": PASSWORD}
    assert (await client.post("/api/v1/auth/login", json=body)).status_code == 200


@pytest.mark.parametrize("tenant", [None, "acme", "no-such-tenant"])
async def test_login(
    client: httpx.AsyncClient, factory: Factory, database: Database, tenant: str | None
) -> None:
    member = await factory.user()
    await factory.join(member, "acme")
    named = {} if tenant is None else {"tenant": tenant}
    seen = [
        await asked(
            client, database, "login", {"email": email, "password": "wrong password", **named}
        )
        for email in ((await emails(factory)) | {"member": member.email}).values()
    ]
    if tenant is not None:
        stranger = await factory.user()
        right = {"email": stranger.email, "password": PASSWORD, **named}
        seen.append(await asked(client, database, "login", right))
    status, _, _, work = seen[0]
    assert status == 401
    assert work.connections_while_hashing == [0]
    for other in seen[1:]:
        assert other == seen[0]


@pytest.mark.parametrize("path", ["forgot-password", "resend-verification"])
async def test_mails_that_are_asked_for(
    client: httpx.AsyncClient, factory: Factory, database: Database, path: str
) -> None:
    addresses = await emails(factory)
    waiting = f"waiting-{secrets.token_hex(6)}@example.test"
    answer = await client.post("/api/v1/auth/register", json=registration(waiting))
    assert answer.status_code == 202
    seen = [
        await asked(client, database, path, {"email": email})
        for email in (*addresses.values(), waiting)
    ]
    assert seen[0][0] == 202
    for other in seen[1:]:
        assert other == seen[0]


def registration(email: str, **changes: str) -> dict[str, str]:
    return {
        "email": email,
        "password": PASSWORD,
        "full_name": "Ada Lovelace",
        "tenant_name": "Analytical Engines",
        "tenant_slug": f"engines-{secrets.token_hex(6)}",
        **changes,
    }


@pytest.mark.parametrize("slug", [None, "acme"])
async def test_registration(
    client: httpx.AsyncClient, factory: Factory, database: Database, slug: str | None
) -> None:
    named = {} if slug is None else {"tenant_slug": slug}
    seen = [
        await asked(client, database, "register", registration(email, **named))
        for email in (await emails(factory)).values()
    ]
    status, _, _, work = seen[0]
    assert status == (202 if slug is None else 409)
    assert work.connections_while_hashing == [0]
    for other in seen[1:]:
        assert other == seen[0]
