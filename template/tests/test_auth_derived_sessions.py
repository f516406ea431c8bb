"""Sessions that were switched to: they end with the sign-in, and are few."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import jwt
import pytest
from sqlalchemy import select
from sqlmodel import col

from app.core.db.database import Database
from app.core.roles import Role
from app.core.settings import Settings
from app.models.public.audit_logs import AuditLog
from app.models.public.users import User
from tests.factories import Factory
from tests.invites import address, token_of
from tests.mailbox import Mailbox
from tests.sending import send

type Tokens = dict[str, Any]
type Ending = Callable[[httpx.AsyncClient, Tokens], Awaitable[httpx.Response]]

SWITCH = "/api/v1/auth/switch-tenant"
UNAUTHENTICATED = "/problems/unauthenticated"


@pytest.fixture
async def user(factory: Factory) -> User:
    """A member of both standing tenants."""
    user = await factory.user()
    for slug in ("acme", "globex"):
        await factory.join(user, slug)
    return user


def bearer(tokens: Tokens) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def session_of(tokens: Tokens) -> UUID:
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    return UUID(claims["sid"])


async def switch(client: httpx.AsyncClient, tokens: Tokens, slug: str = "acme") -> httpx.Response:
    return await client.post(SWITCH, json={"tenant": slug}, headers=bearer(tokens))


async def derived(client: httpx.AsyncClient, tokens: Tokens, slug: str = "acme") -> Tokens:
    answer = await switch(client, tokens, slug)
    assert answer.status_code == 200, answer.text
    started: Tokens = answer.json()
    return started


async def refresh(client: httpx.AsyncClient, tokens: Tokens) -> httpx.Response:
    body = {"refresh_token": tokens["refresh_token"]}
    return await client.post("/api/v1/auth/refresh", json=body)


async def logout(client: httpx.AsyncClient, tokens: Tokens) -> httpx.Response:
    body = {"refresh_token": tokens["refresh_token"]}
    return await client.post("/api/v1/auth/logout", json=body)


async def logout_all(client: httpx.AsyncClient, tokens: Tokens) -> httpx.Response:
    return await client.post("/api/v1/auth/logout-all", headers=bearer(tokens))


async def delete(client: httpx.AsyncClient, tokens: Tokens) -> httpx.Response:
    path = f"/api/v1/auth/sessions/{session_of(tokens)}"
    return await client.delete(path, headers=bearer(tokens))


async def reuse(client: httpx.AsyncClient, tokens: Tokens) -> httpx.Response:
    assert (await refresh(client, tokens)).status_code == 200
    return await refresh(client, tokens)


async def opens(client: httpx.AsyncClient, tokens: Tokens) -> set[int]:
    """Return what an access token is answered in the lobby, and in its tenant."""
    tenant = tokens["tenant"]
    answers = [await client.get("/api/v1/users/me", headers=bearer(tokens))]
    if tenant is not None:
        slug = tenant["slug"]
        answers += [await send(client, "GET", "/tenant", tenant=slug, headers=bearer(tokens))]
    return {answer.status_code for answer in answers}


async def is_over(client: httpx.AsyncClient, tokens: Tokens) -> bool:
    """Tell whether neither token of a session opens anything; the two have to agree."""
    opened, refreshed = await opens(client, tokens), await refresh(client, tokens)
    assert opened == {refreshed.status_code}, refreshed.text
    return refreshed.status_code == 401


@pytest.mark.parametrize("ending", [logout, logout_all, delete, reuse], ids=lambda f: f.__name__)
@pytest.mark.parametrize("ended", ["sign-in", "derived", "derived twice"])
async def test_the_sessions_of_a_sign_in_end_together(
    client: httpx.AsyncClient, user: User, factory: Factory, ending: Ending, ended: str
) -> None:
    first, other = await factory.tokens(user), await factory.tokens(user)
    second = await derived(client, first)
    third = await derived(client, second, "globex")
    sessions = {"sign-in": first, "derived": second, "derived twice": third}

    assert (await ending(client, sessions[ended])).status_code in {204, 401}

    for name, tokens in sessions.items():
        assert await is_over(client, tokens), name
    assert await is_over(client, other) == (ending is logout_all), "another sign-in"


@pytest.mark.parametrize("change", ["spent_at = now()", "revoked_at = now()", "expires_at = now()"])
async def test_a_derived_session_needs_that_of_its_sign_in(
    client: httpx.AsyncClient,
    user: User,
    factory: Factory,
    owner_connection: asyncpg.Connection,
    change: str,
) -> None:
    """However the first one ended: by a statement, by its time, or in a transaction that did not see the other."""
    first = (await refresh(client, await factory.tokens(user))).json()
    other = await derived(client, first)
    third = await derived(client, other, "globex")
    await owner_connection.execute(
        f"UPDATE public.refresh_tokens SET {change} WHERE family_id = $1 AND spent_at IS NULL",  # noqa: S608  a statement of this test
        session_of(first),
    )

    for tokens in (other, third):
        assert await opens(client, tokens) == {401}
        refused = await refresh(client, tokens)
        assert refused.json()["type"] == "/problems/refresh-token-invalid"
        assert (await switch(client, tokens)).json()["type"] == UNAUTHENTICATED
    listed = await client.get("/api/v1/auth/sessions", headers=bearer(await factory.tokens(user)))
    assert len(listed.json()["items"]) == 1, "no session is shown that is over"


async def test_each_session_of_a_sign_in_is_refreshed_by_itself(
    client: httpx.AsyncClient, user: User, factory: Factory
) -> None:
    sessions = [await factory.tokens(user)]
    sessions += [await derived(client, sessions[0], slug) for slug in ("acme", "globex")]
    for _ in range(3):
        answers = await asyncio.gather(*(refresh(client, tokens) for tokens in sessions))
        assert [answer.status_code for answer in answers] == [200] * 3
        before, sessions = sessions, [answer.json() for answer in answers]
        assert [session_of(t) for t in sessions] == [session_of(t) for t in before]
    assert (await logout(client, sessions[0])).status_code == 204
    for tokens in sessions:
        assert await is_over(client, tokens)


@pytest.mark.parametrize("turn", range(4))
async def test_no_switch_slips_past_a_logout(
    client: httpx.AsyncClient, user: User, factory: Factory, turn: int
) -> None:
    tokens = await factory.tokens(user)
    switches = [switch(client, tokens) for _ in range(3)]
    racing = [*switches[: turn % 4], logout(client, tokens), *switches[turn % 4 :]]
    answers = await asyncio.gather(*racing)
    for answer in answers:
        if answer.status_code == 200:
            assert await is_over(client, answer.json())
        else:
            assert answer.status_code in {204, 401}
    listed = await client.get("/api/v1/auth/sessions", headers=bearer(await factory.tokens(user)))
    assert len(listed.json()["items"]) == 1


async def test_a_sign_in_has_a_bounded_number_of_sessions(
    client: httpx.AsyncClient,
    user: User,
    factory: Factory,
    database: Database,
    settings: Settings,
) -> None:
    most = settings.auth.sessions_per_sign_in
    first, bystander = await factory.tokens(user), await factory.tokens(user)
    kept = await derived(client, first)
    left = [await derived(client, first) for _ in range(most - 2)]
    for _ in range(3):
        # The one that switches stays, though it is the oldest.
        left.append(await derived(client, kept))
        longest_unused = left.pop(0)
        assert await is_over(client, longest_unused)
        await assert_replaced(database, longest_unused)
    answer = await client.get("/api/v1/auth/sessions", params={"limit": 100}, headers=bearer(first))
    sign_ins = [item["sign_in_id"] for item in answer.json()["items"]]
    assert sign_ins.count(str(session_of(first))) == most
    assert sign_ins.count(str(session_of(bystander))) == 1
    for tokens in (first, kept, *left):
        assert not await is_over(client, tokens)


async def assert_replaced(database: Database, tokens: Tokens) -> None:
    async with database.lobby() as lobby:
        [ended] = await lobby.scalars(
            select(AuditLog).where(
                col(AuditLog.entity_id) == str(session_of(tokens)),
                col(AuditLog.action) == "session.ended",
            )
        )
    assert ended.after == {"reason": "replaced", "sessions": [str(session_of(tokens))]}


async def test_simultaneous_switches_keep_to_the_bound(
    client: httpx.AsyncClient, user: User, factory: Factory, settings: Settings
) -> None:
    most = settings.auth.sessions_per_sign_in
    tokens = await factory.tokens(user)
    answers = await asyncio.gather(*(switch(client, tokens) for _ in range(most + 3)))
    assert {answer.status_code for answer in answers} == {200}
    alive = await client.get("/api/v1/auth/sessions", params={"limit": 100}, headers=bearer(tokens))
    assert len(alive.json()["items"]) == most


async def test_accepting_an_invite_derives_a_session_too(
    client: httpx.AsyncClient, factory: Factory, mailbox: Mailbox
) -> None:
    newcomer = await factory.user(address())
    tokens = await factory.tokens(newcomer)
    token = await token_of(await factory.member("acme", Role.OWNER), mailbox, newcomer.email)
    answer = await client.post(
        "/api/v1/invites/accept", json={"token": token}, headers=bearer(tokens)
    )
    assert answer.status_code == 200, answer.text
    assert (await logout(client, tokens)).status_code == 204
    assert await is_over(client, answer.json())


async def test_an_assumed_identity_ends_with_the_sign_in(
    client: httpx.AsyncClient, factory: Factory
) -> None:
    superuser, member = await factory.user(superuser=True), await factory.member("acme")
    await factory.join(superuser, "globex")
    first = await factory.tokens(superuser)
    second = await derived(client, first, "globex")
    tenant = await factory.find_tenant("acme")
    body = {"user_id": str(member.user_id), "tenant_id": str(tenant.id), "reason": "a test"}
    answer = await client.post("/api/v1/admin/assume-identity", json=body, headers=bearer(second))
    assert answer.status_code == 200, answer.text
    assert (await member.get("/tenant", headers=bearer(answer.json()))).status_code == 200
    assert (await logout(client, first)).status_code == 204
    assert (await member.get("/tenant", headers=bearer(answer.json()))).status_code == 401


async def test_a_session_that_outlives_the_others_is_a_sign_in(
    client: httpx.AsyncClient, user: User, factory: Factory, database: Database
) -> None:
    """It has ended the others, that of the sign-in too, and goes on."""
    first = await factory.tokens(user)
    here, there = await derived(client, first), await derived(client, first)
    async with database.lobby() as lobby:
        await factory.identity().sessions(lobby).end_all(user.id, "logout", but=session_of(here))
    for tokens in (first, there):
        assert await is_over(client, tokens)
    here = (await refresh(client, here)).json()
    listed = await client.get("/api/v1/auth/sessions", headers=bearer(here))
    assert [item["sign_in_id"] for item in listed.json()["items"]] == [str(session_of(here))]


async def test_sessions_say_of_which_sign_in_they_are(
    client: httpx.AsyncClient, user: User, factory: Factory
) -> None:
    phone, laptop = await factory.tokens(user), await factory.tokens(user)
    acme = await derived(client, phone)
    globex = await derived(client, acme, "globex")
    answer = await client.get("/api/v1/auth/sessions", headers=bearer(acme))
    listed = {item["id"]: (item["sign_in_id"], item["current"]) for item in answer.json()["items"]}
    of_phone, of_laptop = str(session_of(phone)), str(session_of(laptop))
    assert listed == {
        of_phone: (of_phone, False),
        of_laptop: (of_laptop, False),
        str(session_of(acme)): (of_phone, True),
        str(session_of(globex)): (of_phone, False),
    }
