"""Registering, as a stranger does, and answering the mail, as its reader does."""

import secrets
from typing import Any

import httpx
from sqlalchemy import select
from sqlmodel import col

from app.core.db.database import Database
from app.models.public.tenants import Tenant
from tests.sign_in.password import PASSWORD


def registration(**changes: Any) -> dict[str, Any]:
    """Return the body of a registration that nobody else makes."""
    unique = secrets.token_hex(6)
    return {
        "email": f"new-{unique}@example.test",
        "password": PASSWORD,
        "full_name": "Ada Lovelace",
        "tenant_name": "Analytical Engines",
        "tenant_slug": f"engines-{unique}",
        **changes,
    }


async def register(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Register, and return the body."""
    body = registration(**changes)
    answer = await client.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 202, answer.text
    return body


async def verify(client: httpx.AsyncClient, token: str) -> httpx.Response:
    """Answer the mail."""
    return await client.post("/api/v1/auth/verify-email", json={"token": token})


async def login(client: httpx.AsyncClient, body: dict[str, Any], **changes: Any) -> httpx.Response:
    """Log in as who registered with `body`."""
    wanted = {"email": body["email"], "password": body["password"], **changes}
    return await client.post("/api/v1/auth/login", json=wanted)


async def tenant_of(database: Database, slug: str) -> Tenant | None:
    """Return the tenant that has a slug now, or `None`."""
    async with database.lobby() as lobby:
        return await lobby.scalar(select(Tenant).where(col(Tenant.slug) == slug))
