"""What the clean-up removes, and what it keeps."""

import secrets
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlmodel import col

from app.core.identifiers import utcnow, uuid7
from app.core.roles import Role
from app.models.public.audit_logs import AuditLog
from app.models.public.refresh_tokens import RefreshToken
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.users import User
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.repositories.public.workflow_executions import WorkflowExecutionRepository
from app.schemas.base import NEWEST, PageRequest
from app.services import due_rows
from app.services.background_work import BackgroundWork
from tests import background

pytestmark = pytest.mark.thorough

DAY = timedelta(days=1)
ALTER = "ALTER TABLE public.workflow_executions"
OF_TOMORROW = """
INSERT INTO public.workflow_executions (id, kind, status, created_at)
VALUES (gen_random_uuid(), 'of_tomorrow', 'pending', now() - interval '25 hours'),
    (gen_random_uuid(), 'of_tomorrow', 'running', now() - interval '25 hours'),
    (gen_random_uuid(), 'of_tomorrow', 'pending', now() - interval '23 hours')
"""


@pytest.fixture(scope="module")
async def user(work: BackgroundWork) -> User:
    return await background.add_user(work)


async def kept(work: BackgroundWork, *rows: RefreshToken | WorkflowExecution) -> list[bool]:
    model = type(rows[0])
    async with work.database.lobby() as lobby:
        ids = await lobby.scalars(select(col(model.id)))
    return [row.id in ids for row in rows]


def token(user: User, age: timedelta) -> RefreshToken:
    return RefreshToken(
        family_id=uuid7(),
        user_id=user.id,
        token_hash=secrets.token_bytes(32),
        session_expires_at=utcnow() + 30 * DAY,
        expires_at=utcnow() - age,
    )


def tenant_of_nobody() -> Tenant:
    slug = f"t-{secrets.token_hex(6)}"
    return Tenant(
        slug=slug,
        name="Nobody's",
        status=TenantStatus.PROVISIONING,
        schema_name=f"x_{secrets.token_hex(6)}",
    )


async def test_removes_expired_tokens(work: BackgroundWork, user: User) -> None:
    live, expired = token(user, -DAY), token(user, timedelta(minutes=1))
    await background.add(work, live, expired)

    await work.clean_up.run()

    assert await kept(work, live, expired) == [True, False]


async def test_removes_more_than_one_batch(
    work: BackgroundWork, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due_rows, "BATCH", 2)
    expired = [token(user, DAY) for _ in range(5)]
    await background.add(work, *expired)

    await work.clean_up.run()

    assert await kept(work, *expired) == [False] * 5


async def test_removes_executions_that_ended_long_ago(work: BackgroundWork) -> None:
    def execution(age: timedelta | None) -> WorkflowExecution:
        finished_at = None if age is None else utcnow() - age
        return WorkflowExecution(
            kind=WorkflowKind.SEND_EMAIL, status=WorkflowStatus.COMPLETED, finished_at=finished_at
        )

    open_one, recent, old = execution(None), execution(80 * DAY), execution(91 * DAY)
    await background.add(work, open_one, recent, old)

    await work.clean_up.run()

    assert await kept(work, open_one, recent, old) == [True, True, False]


async def test_work_that_no_release_knows_is_given_up_after_a_day(
    work: BackgroundWork,
) -> None:
    async with work.provisioning.owner.ddl_engine.begin() as connection:
        await connection.execute(
            text(f"{ALTER} DROP CONSTRAINT IF EXISTS ck_workflow_executions_kind")
        )
    async with work.database.lobby() as lobby:
        await lobby.execute(text(OF_TOMORROW))

    await work.clean_up.run()

    async with work.database.lobby() as lobby:
        listed = await WorkflowExecutionRepository(lobby).page(
            PageRequest(100, NEWEST), status=None, tenant_id=None
        )
    found = [each for each in listed.items if each.kind == "of_tomorrow"]
    assert sorted((each.status.value, bool(each.error)) for each in found) == [
        ("failed", True),
        ("failed", True),
        ("pending", False),
    ]
    # Other tests read every row.
    async with work.database.lobby() as lobby:
        await lobby.execute(
            text("DELETE FROM public.workflow_executions WHERE kind = 'of_tomorrow'")
        )


async def test_invites_end_that_open_nothing_any_more(work: BackgroundWork) -> None:
    owner, once_admin = await background.add_user(work), await background.add_user(work)
    tenant = await background.add_tenant(work, owner, TenantStatus.READY)
    live, lapsed, of_nobody = (
        TenantInvite(
            tenant_id=tenant.id,
            email=f"{secrets.token_hex(4)}@example.test",
            role=Role.MEMBER,
            invited_by=sender.id,
            expires_at=utcnow() - age,
        )
        for sender, age in ((owner, -DAY), (owner, timedelta(minutes=1)), (once_admin, -DAY))
    )
    await background.add(work, live, lapsed, of_nobody)

    await work.clean_up.run()

    async with work.database.lobby() as lobby:
        invites = await lobby.scalars(
            select(TenantInvite).where(col(TenantInvite.tenant_id) == tenant.id)
        )
        audited = await lobby.scalars(
            select(AuditLog).where(
                col(AuditLog.tenant_id) == tenant.id, col(AuditLog.entity_type) == "invite"
            )
        )
    statuses = {invite.id: invite.status for invite in invites}
    assert statuses == {
        live.id: InviteStatus.PENDING,
        lapsed.id: InviteStatus.EXPIRED,
        of_nobody.id: InviteStatus.CANCELLED,
    }
    assert {row.entity_id: row.action for row in audited} == {
        str(lapsed.id): "invite.expired",
        str(of_nobody.id): "invite.cancelled",
    }
