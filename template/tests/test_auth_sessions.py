"""Refresh tokens, and the sessions that they keep alive."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import utcnow
from app.core.security.opaque_tokens import digest
from app.core.settings import Settings
from app.models.public.audit_logs import AuditLog
from app.models.public.refresh_tokens import RefreshToken
from app.models.public.users import User
from app.services.clean_up import CleanUp
from tests.factories import Factory

LOGOUT_ALL, SWITCH = "/api/v1/auth/logout-all", "/api/v1/auth/switch-tenant"


@pytest.fixture
async def user(factory: Factory) -> User:
    """A user without a session."""
    return await factory.user()


async def refresh(client: httpx.AsyncClient, token: str, **headers: str) -> httpx.Response:
    body = {"refresh_token": token}
    return await client.post("/api/v1/auth/refresh", json=body, headers=headers)


async def logout(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/v1/auth/logout", json={"refresh_token": token})


async def switch(client: httpx.AsyncClient, tokens: dict[str, Any]) -> httpx.Response:
    return await client.post(SWITCH, json={"tenant": "acme"}, headers=bearer(tokens))


async def me(client: httpx.AsyncClient, tokens: dict[str, Any]) -> int:
    answer = await client.get("/api/v1/users/me", headers=bearer(tokens))
    return answer.status_code


async def let_days_pass(database: Database, user: User, days: int) -> None:
    passed = timedelta(days=days)
    async with database.lobby() as lobby:
        await lobby.execute(
            update(RefreshToken)
            .where(col(RefreshToken.user_id) == user.id)
            .values(
                expires_at=col(RefreshToken.expires_at) - passed,
                session_expires_at=col(RefreshToken.session_expires_at) - passed,
            )
        )


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def session_of(tokens: dict[str, Any]) -> UUID:
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    return UUID(claims["sid"])


async def actions(database: Database, session_id: UUID) -> list[str]:
    async with database.lobby() as lobby:
        rows = await lobby.scalars(
            select(AuditLog)
            .where(col(AuditLog.entity_id) == str(session_id))
            .order_by(col(AuditLog.id))
        )
    return [row.action for row in rows]


async def test_a_refresh_spends_the_token_and_keeps_the_session(
    client: httpx.AsyncClient, user: User, database: Database, factory: Factory
) -> None:
    first = await factory.tokens(user)
    answer = await refresh(client, first["refresh_token"])
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    second = answer.json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert session_of(second) == session_of(first)
    assert await me(client, second) == 200
    assert await actions(database, session_of(first)) == ["session.started", "session.refreshed"]


async def test_only_hashes_of_tokens_are_stored(
    client: httpx.AsyncClient, user: User, database: Database, factory: Factory
) -> None:
    tokens = await factory.tokens(user)
    async with database.lobby() as lobby:
        rows = await lobby.scalars(select(RefreshToken).where(col(RefreshToken.user_id) == user.id))
    assert [row.token_hash for row in rows] == [digest(tokens["refresh_token"])]
    assert tokens["refresh_token"] not in repr(rows)


async def test_a_spent_token_ends_the_session(
    client: httpx.AsyncClient, user: User, database: Database, factory: Factory
) -> None:
    first, other = await factory.tokens(user), await factory.tokens(user)
    second = (await refresh(client, first["refresh_token"])).json()
    for _ in range(2):
        answer = await refresh(client, first["refresh_token"])
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["type"] == "/problems/refresh-token-invalid"
    assert (await refresh(client, second["refresh_token"])).status_code == 401
    assert await me(client, second) == 401
    assert await me(client, other) == 200, "another session goes on"
    assert (await actions(database, session_of(first)))[-1] == "session.ended"


async def test_a_spent_token_is_remembered_as_long_as_the_session_may_live(
    client: httpx.AsyncClient,
    user: User,
    database: Database,
    factory: Factory,
    settings: Settings,
) -> None:
    first = await factory.tokens(user)
    tokens = first
    for _ in range(2):
        tokens = (await refresh(client, tokens["refresh_token"])).json()
        await let_days_pass(database, user, 6)
    await CleanUp(database, settings.tenants).run()

    assert (await refresh(client, first["refresh_token"])).status_code == 401
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401
    assert (await actions(database, session_of(first)))[-1] == "session.ended"

    await let_days_pass(database, user, 30)
    await CleanUp(database, settings.tenants).run()
    async with database.lobby() as lobby:
        left = select(RefreshToken).where(col(RefreshToken.user_id) == user.id)
        assert await lobby.scalars(left) == []


async def test_one_of_eight_simultaneous_refreshes_wins_and_the_session_ends(
    client: httpx.AsyncClient, user: User, database: Database, factory: Factory
) -> None:
    tokens = await factory.tokens(user)
    answers = await asyncio.gather(*(refresh(client, tokens["refresh_token"]) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    winner = next(answer for answer in answers if answer.status_code == 200).json()
    assert await me(client, winner) == 401
    assert (await refresh(client, winner["refresh_token"])).status_code == 401
    trail = await actions(database, session_of(tokens))
    assert trail == ["session.started", "session.refreshed", "session.ended"]


@pytest.mark.parametrize("turn", range(3))
async def test_no_refresh_slips_past_a_logout(
    client: httpx.AsyncClient, user: User, database: Database, turn: int, factory: Factory
) -> None:
    tokens = await factory.tokens(user)
    racing = [refresh(client, tokens["refresh_token"]), logout(client, tokens["refresh_token"])]
    if turn % 2:
        racing.reverse()
    await asyncio.gather(*racing)
    assert await alive(database, user) == []


@pytest.mark.parametrize("turn", range(3))
async def test_no_switch_slips_past_the_end_of_all_sessions(
    client: httpx.AsyncClient, user: User, database: Database, turn: int, factory: Factory
) -> None:
    await factory.join(user, "acme")
    tokens = await factory.tokens(user)
    racing = [switch(client, tokens), client.post(LOGOUT_ALL, headers=bearer(tokens))]
    if turn % 2:
        racing.reverse()
    answers = {str(answer.url.path): answer for answer in await asyncio.gather(*racing)}
    assert answers[LOGOUT_ALL].status_code in (204, 401)
    assert (await switch(client, tokens)).status_code == 401
    switched = answers[SWITCH]
    if switched.status_code == 200:
        # It came first, so its session was one of all.
        assert await me(client, switched.json()) == 401
    else:
        assert switched.status_code == 401
    assert await alive(database, user) == []


async def alive(database: Database, user: User) -> list[RefreshToken]:
    """Return the tokens that can be refreshed."""
    async with database.lobby() as lobby:
        return await lobby.scalars(
            select(RefreshToken).where(
                col(RefreshToken.user_id) == user.id,
                col(RefreshToken.spent_at).is_(None),
                col(RefreshToken.revoked_at).is_(None),
            )
        )


async def test_who_switches_keeps_nothing_of_somebody_elses_session(
    client: httpx.AsyncClient, user: User, factory: Factory
) -> None:
    """No token and no id that is planted before decides which session a switch starts."""
    await factory.join(user, "acme")
    before = await factory.tokens(user)
    planted = {"session_id": str(session_of(before)), "refresh_token": before["refresh_token"]}
    body = {"tenant": "acme", **planted}
    assert (await client.post(SWITCH, json=body, headers=bearer(before))).status_code == 422
    headers = {**bearer(before), "Cookie": f"session={session_of(before)}"}
    answer = await client.post(SWITCH, json={"tenant": "acme"}, headers=headers)
    after = answer.json()
    assert session_of(after) != session_of(before)
    assert after["refresh_token"] != before["refresh_token"]
    assert "set-cookie" not in answer.headers
    assert (await logout(client, before["refresh_token"])).status_code == 204
    assert await me(client, before) == 401
    assert await me(client, after) == 401, "it came from that session, and ends with it"


@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 512, "\x00", "é"])
async def test_an_unknown_token_is_refused(client: httpx.AsyncClient, token: str) -> None:
    answer = await refresh(client, token)
    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/refresh-token-invalid"
    assert (await logout(client, token)).status_code == 204


@pytest.mark.parametrize("body", [{}, {"refresh_token": ""}, {"refresh_token": "A" * 513}, []])
async def test_a_malformed_refresh_is_refused(client: httpx.AsyncClient, body: object) -> None:
    for path in ("refresh", "logout"):
        answer = await client.post(f"/api/v1/auth/{path}", json=body)
        assert answer.status_code == 422


async def test_an_access_token_refreshes_nothing(
    client: httpx.AsyncClient, user: User, factory: Factory
) -> None:
    tokens = await factory.tokens(user)
    assert (await refresh(client, tokens["access_token"][:512])).status_code == 401
    headers = {"Authorization": f"Bearer {tokens['refresh_token']}"}
    assert (await client.get("/api/v1/users/me", headers=headers)).status_code == 401


@pytest.mark.parametrize("column", ["expires_at", "session_expires_at"])
async def test_a_session_ends_when_its_time_is_over(
    client: httpx.AsyncClient, user: User, database: Database, column: str, factory: Factory
) -> None:
    tokens = await factory.tokens(user)
    soon = utcnow() + (
        timedelta(hours=1) if column == "session_expires_at" else -timedelta(seconds=1)
    )
    async with database.lobby() as lobby:
        await lobby.execute(
            update(RefreshToken).where(col(RefreshToken.user_id) == user.id).values({column: soon})
        )
    answer = await refresh(client, tokens["refresh_token"])
    if column == "expires_at":
        assert answer.status_code == 401
        assert await me(client, tokens) == 401
        return
    async with database.lobby() as lobby:
        newest = await lobby.scalar(
            select(RefreshToken).where(
                col(RefreshToken.token_hash) == digest(answer.json()["refresh_token"])
            )
        )
    assert newest is not None
    assert newest.expires_at == soon, "refreshing does not prolong it"


async def test_a_logout_ends_the_session_at_once(
    client: httpx.AsyncClient, user: User, factory: Factory
) -> None:
    tokens, other = await factory.tokens(user), await factory.tokens(user)
    assert (await logout(client, tokens["refresh_token"])).status_code == 204
    assert (await logout(client, tokens["refresh_token"])).status_code == 204
    assert await me(client, tokens) == 401
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401
    assert await me(client, other) == 200


async def test_logout_all_ends_every_session_of_the_user(
    client: httpx.AsyncClient, user: User, factory: Factory
) -> None:
    mine = [await factory.tokens(user) for _ in range(3)]
    stranger = await factory.signed_in()
    answer = await client.post("/api/v1/auth/logout-all", headers=bearer(mine[0]))
    assert answer.status_code == 204
    for tokens in mine:
        assert await me(client, tokens) == 401
        assert (await refresh(client, tokens["refresh_token"])).status_code == 401
    assert (await stranger.get("/users/me")).status_code == 200


async def test_sessions_are_listed_with_what_tells_them_apart(
    client: httpx.AsyncClient, user: User, factory: Factory
) -> None:
    phone, laptop = await factory.tokens(user), await factory.tokens(user)
    agent = {"User-Agent": "Phone/1\x07 " + "x" * 400}
    phone = (await refresh(client, phone["refresh_token"], **agent)).json()
    answer = await client.get("/api/v1/auth/sessions", headers=bearer(laptop))
    assert answer.status_code == 200
    listed = answer.json()["items"]
    assert [item["id"] for item in listed] == [str(session_of(laptop)), str(session_of(phone))]
    assert [item["current"] for item in listed] == [True, False]
    assert set(listed[0]) == {
        "id",
        "created_at",
        "last_used_at",
        "ip_address",
        "user_agent",
        "current",
        "sign_in_id",
    }
    assert listed[0]["user_agent"] == "Test/1"
    assert listed[0]["ip_address"] == "127.0.0.1"
    assert listed[1]["user_agent"] == ("Phone/1 " + "x" * 400)[:255]
    assert listed[1]["last_used_at"] > listed[1]["created_at"]


async def test_sessions_come_in_pages(
    client: httpx.AsyncClient, user: User, factory: Factory
) -> None:
    sessions = [session_of(tokens := await factory.tokens(user)) for _ in range(3)]
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        params = {"limit": 1, **({"cursor": cursor} if cursor else {})}
        answer = await client.get("/api/v1/auth/sessions", params=params, headers=bearer(tokens))
        seen += [item["id"] for item in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
    assert cursor is None
    assert seen == [str(id) for id in reversed(sessions)]


async def test_a_user_ends_own_sessions_alone(
    client: httpx.AsyncClient, user: User, factory: Factory
) -> None:
    mine, other = await factory.tokens(user), await factory.tokens(user)
    stranger = await factory.signed_in()
    path = f"/api/v1/auth/sessions/{session_of(other)}"
    assert (await stranger.delete(path.removeprefix("/api/v1"))).status_code == 404
    assert await me(client, other) == 200
    assert (await client.delete(path, headers=bearer(mine))).status_code == 204
    assert await me(client, other) == 401
    assert (await client.delete(path, headers=bearer(mine))).status_code == 404
    unknown = f"/api/v1/auth/sessions/{UUID(int=7)}"
    assert (await client.delete(unknown, headers=bearer(mine))).status_code == 404
    malformed = "/api/v1/auth/sessions/x"
    assert (await client.delete(malformed, headers=bearer(mine))).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/auth/logout-all"),
        ("GET", "/auth/sessions"),
        ("DELETE", "/auth/sessions/00000000-0000-7000-8000-000000000000"),
        ("POST", "/auth/switch-tenant"),
        ("GET", "/users/me"),
        ("PATCH", "/users/me"),
        ("GET", "/users/me/tenants"),
    ],
)
async def test_a_token_is_required(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, f"/api/v1{path}")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
