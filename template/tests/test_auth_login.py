"""Signing in, and what a session is good for."""

import asyncio
import secrets
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from argon2 import PasswordHasher
from sqlalchemy import delete, select, update
from sqlmodel import col

from app.core.db.database import Database
from app.core.roles import Role
from app.models.public.refresh_tokens import RefreshToken
from app.models.public.tenants import TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.users import User
from tests.answers import problem
from tests.factories import Factory
from tests.sending import LOBBY_REFUSAL, send
from tests.sign_in.password import PASSWORD


async def login(client: httpx.AsyncClient, email: str, **changes: Any) -> httpx.Response:
    body = {"email": email, "password": PASSWORD, **changes}
    return await client.post("/api/v1/auth/login", json=body)


def bearer(tokens: dict[str, Any], **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}", **headers}


async def entered(client: httpx.AsyncClient, tokens: dict[str, Any], slug: str) -> httpx.Response:
    return await send(client, "GET", "/projects", tenant=slug, headers=bearer(tokens))


async def test_a_login_without_a_tenant_enters_the_lobby(
    client: httpx.AsyncClient, factory: Factory
) -> None:
    user = await factory.user()
    answer = await login(client, user.email.upper())
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert set(tokens) == {"access_token", "refresh_token", "token_type", "expires_in", "tenant"}
    assert (tokens["token_type"], tokens["expires_in"], tokens["tenant"]) == ("bearer", 1800, None)
    me = await client.get("/api/v1/users/me", headers=bearer(tokens))
    assert me.json()["id"] == str(user.id)
    projects = await entered(client, tokens, "acme")
    assert problem(projects) == LOBBY_REFUSAL


async def test_a_login_with_a_tenant_enters_it(client: httpx.AsyncClient, factory: Factory) -> None:
    user = await factory.user()
    await factory.join(user, "acme", Role.ADMIN)
    tokens = (await login(client, user.email, tenant="acme")).json()
    tenant = await factory.find_tenant("acme")
    assert tokens["tenant"] == {
        "id": str(tenant.id),
        "slug": "acme",
        "name": "Acme",
        "status": "ready",
        "role": "admin",
    }
    assert (await entered(client, tokens, "acme")).status_code == 200


async def test_two_spellings_of_a_slug_are_one_tenant(
    client: httpx.AsyncClient, factory: Factory
) -> None:
    user = await factory.user()
    slug = f"two-words-{secrets.token_hex(4)}"
    await factory.tenant(slug)
    await factory.join(user, slug)
    tokens = (await login(client, user.email, tenant=slug.replace("-", "_"))).json()
    assert tokens["tenant"]["slug"] == slug


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "not the password"},
        {"email": "nobody@example.test"},
        {"tenant": "globex"},
        {"tenant": "no-such-tenant"},
    ],
)
async def test_every_wrong_login_gets_one_answer(
    client: httpx.AsyncClient, factory: Factory, changes: dict[str, str]
) -> None:
    user = await factory.user()
    await factory.join(user, "acme")
    answer = await login(client, **{"email": user.email, **changes})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    body = answer.json()
    assert (body["type"], body["detail"]) == ("/problems/invalid-credentials", None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("email", ["a@b.test"]),
        ("password", "x" * 257),
        ("password", ""),
        ("tenant", "../acme"),
        ("tenant", "ACME"),
        ("tenant", ""),
        ("role", "owner"),
    ],
)
async def test_a_malformed_login_is_refused(
    client: httpx.AsyncClient, field: str, value: object
) -> None:
    body = {"email": "a@example.test", "password": PASSWORD, field: value}
    answer = await client.post("/api/v1/auth/login", json=body)
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {f"/body/{field}"}


async def test_an_unverified_user_gets_as_far_as_the_lobby(
    client: httpx.AsyncClient, factory: Factory
) -> None:
    user = await factory.user(verified=False)
    tokens = (await login(client, user.email)).json()
    me = await client.get("/api/v1/users/me", headers=bearer(tokens))
    assert me.json()["email_verified"] is False


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (TenantStatus.PENDING, 503),
        (TenantStatus.PROVISIONING, 503),
        (TenantStatus.FAILED, 503),
        (TenantStatus.SUSPENDED, 403),
        (TenantStatus.DELETING, 410),
    ],
)
async def test_a_member_may_sign_in_to_a_closed_tenant_and_is_told_why_it_is_closed(
    client: httpx.AsyncClient, factory: Factory, status: TenantStatus, refusal: int
) -> None:
    user, tenant = await factory.user(), await factory.tenant(status=status)
    await factory.join(user, tenant.slug, Role.OWNER)
    tokens = (await login(client, user.email, tenant=tenant.slug)).json()
    assert tokens["tenant"]["status"] == status
    assert (await entered(client, tokens, tenant.slug)).status_code == refusal
    refreshed = {"refresh_token": tokens["refresh_token"]}
    assert (await client.post("/api/v1/auth/refresh", json=refreshed)).status_code == 200


async def test_a_deleted_tenant_is_unknown(client: httpx.AsyncClient, factory: Factory) -> None:
    user, tenant = await factory.user(), await factory.tenant(status=TenantStatus.DELETED)
    await factory.join(user, tenant.slug, Role.OWNER)
    assert (await login(client, user.email, tenant=tenant.slug)).status_code == 401


async def test_a_hash_of_other_costs_is_replaced(
    client: httpx.AsyncClient, factory: Factory, database: Database
) -> None:
    user = await factory.user()
    old = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)

    async def stored() -> str | None:
        async with database.lobby() as lobby:
            return await lobby.scalar(
                select(col(User.password_hash)).where(col(User.id) == user.id)
            )

    async with database.lobby() as lobby:
        await lobby.execute(update(User).where(col(User.id) == user.id).values(password_hash=old))
    assert (await login(client, user.email, password="wrong")).status_code == 401
    assert await stored() == old
    answers = await asyncio.gather(*(login(client, user.email) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {200}
    assert await stored() != old
    assert (await login(client, user.email)).status_code == 200


async def switch(tokens: dict[str, Any], client: httpx.AsyncClient, slug: str) -> httpx.Response:
    return await client.post(
        "/api/v1/auth/switch-tenant", json={"tenant": slug}, headers=bearer(tokens)
    )


def session_of(tokens: dict[str, Any]) -> UUID:
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    return UUID(claims["sid"])


async def test_switching_starts_a_session_of_its_own(
    client: httpx.AsyncClient, factory: Factory
) -> None:
    user = await factory.user()
    await factory.join(user, "acme")
    await factory.join(user, "globex", Role.OWNER)
    acme = (await login(client, user.email, tenant="acme")).json()
    answer = await switch(acme, client, "globex")
    assert answer.status_code == 200, answer.text
    globex = answer.json()
    assert (globex["tenant"]["slug"], globex["tenant"]["role"]) == ("globex", "owner")
    assert session_of(globex) != session_of(acme)
    for tokens, slug in ((acme, "acme"), (globex, "globex")):
        assert (await entered(client, tokens, slug)).status_code == 200
    refreshed = await client.post(
        "/api/v1/auth/refresh", json={"refresh_token": acme["refresh_token"]}
    )
    assert refreshed.json()["tenant"]["slug"] == "acme"


async def test_a_switched_session_ends_no_later_than_the_first(
    client: httpx.AsyncClient, factory: Factory, database: Database
) -> None:
    user = await factory.user()
    await factory.join(user, "acme")
    lobby_tokens = (await login(client, user.email)).json()
    acme = (await switch(lobby_tokens, client, "acme")).json()
    async with database.lobby() as lobby:
        ends = await lobby.scalars(
            select(col(RefreshToken.session_expires_at)).where(
                col(RefreshToken.family_id).in_([session_of(lobby_tokens), session_of(acme)])
            )
        )
    assert len(ends) == 2
    assert ends[0] == ends[1]


@pytest.mark.parametrize("slug", ["globex", "no-such-tenant"])
async def test_switching_to_what_is_not_the_users_is_refused(
    client: httpx.AsyncClient, factory: Factory, slug: str
) -> None:
    user = await factory.user()
    tokens = (await login(client, user.email)).json()
    answer = await switch(tokens, client, slug)
    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/tenant-not-found"


async def test_switching_needs_a_token_and_a_slug(
    client: httpx.AsyncClient, factory: Factory
) -> None:
    answer = await client.post("/api/v1/auth/switch-tenant", json={"tenant": "acme"})
    assert answer.status_code == 401
    user = await factory.signed_in()
    assert (await user.post("/auth/switch-tenant", {"tenant": "NO"})).status_code == 422
    assert (await user.post("/auth/switch-tenant", {})).status_code == 422


async def test_a_refresh_names_the_role_of_now_and_ends_with_the_membership(
    client: httpx.AsyncClient, factory: Factory, database: Database
) -> None:
    user = await factory.user()
    await factory.join(user, "acme")
    tokens = (await login(client, user.email, tenant="acme")).json()
    mine = col(UserTenantMembership.user_id) == user.id
    async with database.lobby() as lobby:
        await lobby.execute(update(UserTenantMembership).where(mine).values(role=Role.ADMIN))
    body = {"refresh_token": tokens["refresh_token"]}
    tokens = (await client.post("/api/v1/auth/refresh", json=body)).json()
    assert tokens["tenant"]["role"] == "admin"
    async with database.lobby() as lobby:
        await lobby.execute(delete(UserTenantMembership).where(mine))
    body = {"refresh_token": tokens["refresh_token"]}
    answer = await client.post("/api/v1/auth/refresh", json=body)
    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/refresh-token-invalid"
