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


async def emails(client: httpx.AsyncClient, factory: Factory) -> dict[str, str]:
    """Return an address of each kind of account."""
    member, removed = await factory.user(), await factory.user()
    for user in (member, removed):
        await factory.join(user, "acme")
    await factory.leave(removed, "acme")
    waiting = registration(f"waiting-{secrets.token_hex(6)}@example.test")
    answer = await client.post("/api/v1/auth/register", json=waiting)
    assert answer.status_code == 202
    return {
        "verified": (await factory.user()).email,
        "unverified": (await factory.user(verified=False)).email,
        "member": member.email,
        "removed": removed.email,
        "waiting": waiting["email"],
        "unknown": f"nobody-{secrets.token_hex(6)}@example.test",
    }


def assert_equal(seen: dict[str, Any]) -> None:
    """Fail with the kind of account that is told apart."""
    for kind, answer in seen.items():
        assert answer == seen["unknown"], kind


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
    named = {} if tenant is None else {"tenant": tenant}
    addresses = await emails(client, factory)
    seen = {
        kind: await asked(
            client, database, "login", {"email": email, "password": "wrong password", **named}
        )
        for kind, email in addresses.items()
    }
    if tenant is not None:
        right = {"email": addresses["removed"], "password": PASSWORD, **named}
        seen["removed, with the password"] = await asked(client, database, "login", right)
    status, _, _, work = seen["unknown"]
    assert status == 401
    assert work.connections_while_hashing == [0]
    assert_equal(seen)


@pytest.mark.parametrize("path", ["forgot-password", "resend-verification"])
async def test_mails_that_are_asked_for(
    client: httpx.AsyncClient, factory: Factory, database: Database, path: str
) -> None:
    seen = {
        kind: await asked(client, database, path, {"email": email})
        for kind, email in (await emails(client, factory)).items()
    }
    status, _, _, work = seen["unknown"]
    assert status == 202
    assert work.connections_while_hashing == []
    assert_equal(seen)


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
    seen = {
        kind: await asked(client, database, "register", registration(email, **named))
        for kind, email in (await emails(client, factory)).items()
    }
    status, _, _, work = seen["unknown"]
    assert status == (202 if slug is None else 409)
    assert work.connections_while_hashing == [0]
    assert_equal(seen)
