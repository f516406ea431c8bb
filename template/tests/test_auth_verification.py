"""The token that a registration mails: what it opens, once, and what it does not."""

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import utcnow
from app.models.public.email_verifications import EmailVerification
from app.models.public.tenants import TenantStatus
from app.models.public.users import User
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind
from tests.factories import Factory
from tests.mailbox import Mailbox
from tests.registrations import register, tenant_of, verify


async def provisionings(database: Database, tenant_id: UUID) -> int:
    async with database.lobby() as lobby:
        found = await lobby.scalars(
            select(WorkflowExecution).where(
                col(WorkflowExecution.tenant_id) == tenant_id,
                col(WorkflowExecution.kind) == WorkflowKind.PROVISION_TENANT,
            )
        )
    return len(found)


async def test_a_verified_address_opens_the_tenant(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    body = await register(client)
    tenant = await tenant_of(database, body["tenant_slug"])
    assert tenant is not None
    assert tenant.status is TenantStatus.PENDING
    assert await provisionings(database, tenant.id) == 0

    answer = await verify(client, await mailbox.token(body["email"]))
    assert answer.status_code == 200, answer.text
    user = answer.json()["user"]
    assert (user["email"], user["email_verified"]) == (body["email"], True)
    assert answer.json()["tenant"] == {
        "id": str(tenant.id),
        "slug": body["tenant_slug"],
        "name": "Analytical Engines",
        "status": "provisioning",
        "role": "owner",
    }
    assert await provisionings(database, tenant.id) == 1
    subjects = [message.subject for message in await mailbox.of(body["email"])]
    assert len(subjects) == 1, "the verification alone: whose tenant is made is welcomed once it is"


async def test_a_verification_token_works_once(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    body = await register(client)
    token = await mailbox.token(body["email"])
    answers = await asyncio.gather(*(verify(client, token) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    tenant = await tenant_of(database, body["tenant_slug"])
    assert tenant is not None
    assert await provisionings(database, tenant.id) == 1


async def test_an_expired_verification_token_is_refused(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    body = await register(client)
    token = await mailbox.token(body["email"])
    async with database.lobby() as lobby:
        user = await lobby.scalar(select(User).where(col(User.email) == body["email"]))
        assert user is not None
        await lobby.execute(
            update(EmailVerification)
            .where(col(EmailVerification.user_id) == user.id)
            .values(expires_at=utcnow() - timedelta(seconds=1))
        )
    answer = await verify(client, token)
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/token-invalid"


@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 512, "\x00", "ä" * 43])
async def test_an_unknown_verification_token_is_refused(
    client: httpx.AsyncClient, token: str
) -> None:
    answer = await verify(client, token)
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/token-invalid"


async def test_a_reset_token_verifies_nothing(
    client: httpx.AsyncClient, factory: Factory, mailbox: Mailbox
) -> None:
    user = await factory.user(verified=False)
    await client.post("/api/v1/auth/forgot-password", json={"email": user.email})
    assert (await verify(client, await mailbox.token(user.email))).status_code == 400
