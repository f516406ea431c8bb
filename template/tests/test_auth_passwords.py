"""Forgotten and changed passwords."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import utcnow
from app.models.public.audit_logs import AuditLog
from app.models.public.email_verifications import EmailVerification
from app.models.public.users import User
from tests import background
from tests.factories import Factory
from tests.mailbox import Mailbox, token_in
from tests.sign_in.password import PASSWORD
from tests.work import recorded

NEW_PASSWORD = "another horse, another battery"


async def login(client: httpx.AsyncClient, user: User, password: str) -> httpx.Response:
    body = {"email": user.email, "password": password}
    return await client.post("/api/v1/auth/login", json=body)


async def forgot(client: httpx.AsyncClient, email: str) -> None:
    answer = await client.post("/api/v1/auth/forgot-password", json={"email": email})
    assert answer.status_code == 202, answer.text


async def reset(client: httpx.AsyncClient, token: str, password: str) -> httpx.Response:
    body = {"token": token, "new_password": password}
    return await client.post("/api/v1/auth/reset-password", json=body)


async def test_who_reads_the_mail_sets_the_password(
    client: httpx.AsyncClient, factory: Factory, mailbox: Mailbox
) -> None:
    user = await factory.user(verified=False)
    session = await factory.sign_in(user)
    await forgot(client, user.email.upper())
    token = await mailbox.token(user.email)
    assert (await reset(client, token, NEW_PASSWORD)).status_code == 204
    assert (await session.get("/users/me")).status_code == 401
    assert (await login(client, user, PASSWORD)).status_code == 401
    tokens = (await login(client, user, NEW_PASSWORD)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    me = await client.get("/api/v1/users/me", headers=headers)
    assert me.json()["email_verified"] is True


async def test_a_reset_token_works_once_and_takes_the_others_with_it(
    client: httpx.AsyncClient, factory: Factory, mailbox: Mailbox
) -> None:
    user, bystander = await factory.user(), await factory.user()
    await forgot(client, bystander.email)
    await forgot(client, user.email)
    await forgot(client, user.email)
    first, second = [token_in(message) for message in await mailbox.of(user.email)]
    answers = await asyncio.gather(
        reset(client, first, NEW_PASSWORD),
        reset(client, first, NEW_PASSWORD),
        reset(client, second, NEW_PASSWORD),
    )
    assert sorted(answer.status_code for answer in answers) == [204, 400, 400]
    refused = next(answer for answer in answers if answer.status_code == 400)
    assert refused.json()["type"] == "/problems/token-invalid"
    untouched = await mailbox.token(bystander.email)
    assert (await reset(client, untouched, NEW_PASSWORD)).status_code == 204


async def test_a_reset_that_was_mailed_ends_with_the_password_that_was_forgotten(
    client: httpx.AsyncClient, factory: Factory, mailbox: Mailbox
) -> None:
    user, other = await factory.user(), await factory.user()
    for each in (user, other):
        await forgot(client, each.email)
    token, others = await mailbox.token(user.email), await mailbox.token(other.email)
    session = await factory.sign_in(user)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await session.post("/users/me/password", body)).status_code == 204
    assert (await reset(client, token, "a third horse, a third battery")).status_code == 400
    assert (await login(client, user, NEW_PASSWORD)).status_code == 200
    assert (await reset(client, others, NEW_PASSWORD)).status_code == 204, "another user's stays"


async def test_a_weak_password_leaves_the_reset_token_good(
    client: httpx.AsyncClient, factory: Factory, mailbox: Mailbox
) -> None:
    user = await factory.user()
    await forgot(client, user.email)
    token = await mailbox.token(user.email)
    answer = await reset(client, token, user.full_name)
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/password-too-weak"
    assert (await reset(client, token, NEW_PASSWORD)).status_code == 204


async def test_an_expired_reset_token_is_refused(
    client: httpx.AsyncClient, factory: Factory, mailbox: Mailbox, database: Database
) -> None:
    user = await factory.user()
    await forgot(client, user.email)
    token = await mailbox.token(user.email)
    async with database.lobby() as lobby:
        await lobby.execute(
            update(EmailVerification)
            .where(col(EmailVerification.user_id) == user.id)
            .values(expires_at=utcnow() - timedelta(seconds=1))
        )
    assert (await reset(client, token, NEW_PASSWORD)).status_code == 400
    assert (await login(client, user, PASSWORD)).status_code == 200


@pytest.mark.parametrize("token", ["x", "A" * 43, "\x00" * 43])
async def test_an_unknown_reset_token_is_refused(client: httpx.AsyncClient, token: str) -> None:
    answer = await reset(client, token, NEW_PASSWORD)
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/token-invalid"


async def test_a_verification_token_resets_nothing(
    client: httpx.AsyncClient, factory: Factory, mailbox: Mailbox
) -> None:
    user = await factory.user()
    body = {
        "email": user.email,
        "password": NEW_PASSWORD,
        "full_name": "Ada",
        "tenant_name": "Ada",
        "tenant_slug": f"ada-{user.id.hex[-12:]}",
    }
    assert (await client.post("/api/v1/auth/register", json=body)).status_code == 202
    token = await mailbox.token(user.email)
    assert (await reset(client, token, NEW_PASSWORD)).status_code == 400


async def test_a_changed_password_ends_the_other_sessions(
    client: httpx.AsyncClient, factory: Factory, mailbox: Mailbox, database: Database
) -> None:
    user = await factory.user()
    mine, other = await factory.sign_in(user), await factory.sign_in(user)
    await forgot(client, user.email)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await mine.post("/users/me/password", body)).status_code == 204
    assert (await mine.get("/users/me")).status_code == 200
    assert (await other.get("/users/me")).status_code == 401
    assert (await login(client, user, PASSWORD)).status_code == 401
    assert (await login(client, user, NEW_PASSWORD)).status_code == 200
    assert await mailbox.of(user.email) == [], "a reset that was asked for before is off"
    async with database.lobby() as lobby:
        trail = await lobby.scalars(select(AuditLog).where(col(AuditLog.user_id) == user.id))
    assert {"password.changed", "sessions.ended"} <= {row.action for row in trail}
    written = " ".join(str((row.before, row.after)) for row in trail)
    assert "argon2" not in written
    assert "battery" not in written


@pytest.mark.parametrize(
    ("changes", "status", "problem"),
    [
        ({"current_password": "not the password"}, 401, "invalid-credentials"),
        ({"new_password": "password1"}, 422, "password-too-weak"),
        ({"new_password": ""}, 422, "invalid-request"),
        ({"new_password": None}, 422, "invalid-request"),
        ({"current_password": "x" * 257}, 422, "invalid-request"),
        ({"is_superuser": True}, 422, "invalid-request"),
    ],
)
async def test_a_wrong_change_is_refused(
    factory: Factory, changes: dict[str, Any], status: int, problem: str
) -> None:
    user = await factory.signed_in()
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD, **changes}
    answer = await user.post("/users/me/password", body)
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"/problems/{problem}"
    assert (await user.get("/users/me")).status_code == 200


async def test_one_of_two_simultaneous_changes_wins(
    client: httpx.AsyncClient, factory: Factory
) -> None:
    user = await factory.user()
    session = await factory.sign_in(user)
    bodies = [
        {"current_password": PASSWORD, "new_password": f"{NEW_PASSWORD} {turn}"} for turn in "ab"
    ]
    answers = await asyncio.gather(*(session.post("/users/me/password", body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [204, 401]
    won = bodies[[answer.status_code for answer in answers].index(204)]["new_password"]
    assert (await login(client, user, won)).status_code == 200


async def test_no_login_with_the_old_password_slips_past_a_change(
    client: httpx.AsyncClient, factory: Factory, database: Database
) -> None:
    user = await factory.user()
    changed = await factory.components.sign_in.passwords.hash(NEW_PASSWORD)
    async with recorded(database) as work:
        async with database.lobby() as lobby:
            await lobby.execute(
                update(User).where(col(User.id) == user.id).values(password_hash=changed)
            )
            late = asyncio.create_task(login(client, user, PASSWORD))
            # The password was found right, and the login waits for the user's lock.
            await background.eventually(lambda: background.somebody_waits_in(database))
        assert (await late).status_code == 401
        assert work.connections_while_hashing
    assert (await login(client, user, NEW_PASSWORD)).status_code == 200


async def test_hashing_holds_no_connection(
    client: httpx.AsyncClient, factory: Factory, mailbox: Mailbox, database: Database
) -> None:
    user = await factory.user()
    await forgot(client, user.email)
    token = await mailbox.token(user.email)
    registration = {
        "email": user.email,
        "password": PASSWORD,
        "full_name": "Ada",
        "tenant_name": "Ada",
        "tenant_slug": f"ada-{user.id.hex[-12:]}",
    }
    change = {"current_password": NEW_PASSWORD, "new_password": PASSWORD}
    async with recorded(database) as work:
        assert (await login(client, user, PASSWORD)).status_code == 200
        assert (await reset(client, token, NEW_PASSWORD)).status_code == 204
        session = await factory.sign_in(user)
        assert (await session.post("/users/me/password", change)).status_code == 204
        answer = await client.post("/api/v1/auth/register", json=registration)
        assert answer.status_code == 202
    assert work.connections_while_hashing == [0] * 5


async def test_changing_it_takes_a_token(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/users/me/password")
    assert answer.status_code == 401
