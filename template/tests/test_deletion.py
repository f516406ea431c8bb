"""The end of a tenant: after the grace period, unless it was restored or the period prolonged."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.core.errors import SlugTaken
from app.core.identifiers import utcnow
from app.core.roles import Role
from app.core.settings import Settings
from app.models.public.audit_logs import AuditLog
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.workflow_executions import WorkflowKind, WorkflowStatus
from app.services.audit_trail import Actor, AuditTrail
from app.services.background_work import BackgroundWork
from app.services.tenant_creation import TenantCreation
from tests import background
from tests.background import Requested

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
async def work(settings: Settings) -> AsyncIterator[BackgroundWork]:
    async with background.working(settings) as work:
        yield work


async def create(work: BackgroundWork, slug: str, of: Requested) -> Tenant:
    """Take a slug for another tenant of the same owner."""
    async with work.database.lobby() as lobby:
        creation = TenantCreation(lobby, AuditTrail(lobby, Actor()))
        return await creation.create(slug=slug, name="New", owner_id=of.owner_id)


async def delete(work: BackgroundWork, settings: Settings, ready: Requested) -> UUID:
    """Request a deletion as the API does, and return its execution."""
    async with work.database.lobby() as lobby:
        await background.lifecycle(lobby, settings).delete(ready.tenant_id)
    execution = (await background.executions_of(work, ready.tenant_id))[-1]
    assert execution.kind is WorkflowKind.DELETE_TENANT
    return execution.id


async def test_drops_everything_but_the_memberships(
    work: BackgroundWork, settings: Settings
) -> None:
    ready = await background.ready_tenant(work)
    execution_id = await delete(work, settings, ready)
    due_at = await work.deletion.due_at(execution_id)
    assert due_at is not None
    assert abs(due_at - utcnow() - settings.tenants.deletion_grace) < timedelta(minutes=1)

    await work.deletion.drop(execution_id, due_at)

    tenant = await background.tenant(work, ready.tenant_id)
    assert tenant.status is TenantStatus.DELETED
    assert await background.tables(work, tenant.schema_name) == set()
    assert not await background.role_exists(work, tenant.role_name)
    execution = await background.execution(work, execution_id)
    assert execution.status is WorkflowStatus.COMPLETED
    assert (await background.actions(work, tenant.id))[-1] == "tenant.deleted"
    async with work.database.lobby() as lobby:
        member = await lobby.scalar(
            select(UserTenantMembership).where(
                col(UserTenantMembership.tenant_id) == ready.tenant_id
            )
        )
    assert member is not None


async def test_cancels_pending_invites(work: BackgroundWork, settings: Settings) -> None:
    ready = await background.ready_tenant(work)
    invite = TenantInvite(
        tenant_id=ready.tenant_id,
        email="guest@example.test",
        role=Role.MEMBER,
        expires_at=utcnow() + timedelta(days=7),
    )
    async with work.database.lobby() as lobby:
        await lobby.add(invite)
    execution_id = await delete(work, settings, ready)

    await work.deletion.drop(execution_id, utcnow() + timedelta(days=31))

    async with work.database.lobby() as lobby:
        status = await lobby.scalar(
            select(col(TenantInvite.status)).where(col(TenantInvite.id) == invite.id)
        )
        row = await lobby.scalar(select(AuditLog).where(col(AuditLog.entity_id) == str(invite.id)))
    assert status is InviteStatus.CANCELLED
    assert row is not None
    assert (row.action, row.user_id, row.tenant_id) == ("invite.cancelled", None, ready.tenant_id)


async def test_frees_the_slug_after_a_while(work: BackgroundWork, settings: Settings) -> None:
    ready = await background.ready_tenant(work)
    old = await background.tenant(work, ready.tenant_id)
    execution_id = await delete(work, settings, ready)
    await work.deletion.drop(execution_id, utcnow() + timedelta(days=31))

    with pytest.raises(SlugTaken):
        await create(work, old.slug, ready)
    await background.let_hold_end(work.database, old.slug)
    new = await create(work, old.slug, ready)
    [execution] = await background.executions_of(work, new.id)
    await work.provisioning.run(execution.id)

    assert new.schema_name == old.schema_name
    assert (await background.tenant(work, new.id)).status is TenantStatus.READY


async def test_a_restored_tenant_is_left_alone(work: BackgroundWork, settings: Settings) -> None:
    ready = await background.ready_tenant(work)
    execution_id = await delete(work, settings, ready)
    async with work.database.lobby() as lobby:
        await background.lifecycle(lobby, settings).restore(ready.tenant_id)

    assert await work.deletion.due_at(execution_id) is None
    await work.deletion.drop(execution_id, utcnow() + timedelta(days=31))

    tenant = await background.tenant(work, ready.tenant_id)
    assert tenant.status is TenantStatus.READY
    assert await background.tables(work, tenant.schema_name) != set()
    execution = await background.execution(work, execution_id)
    assert execution.status is WorkflowStatus.CANCELLED


async def test_the_deletion_before_a_restore_cannot_drop_after_it(
    work: BackgroundWork, settings: Settings
) -> None:
    ready = await background.ready_tenant(work)
    first = await delete(work, settings, ready)
    async with work.database.lobby() as lobby:
        await background.lifecycle(lobby, settings).restore(ready.tenant_id)
    await delete(work, settings, ready)

    await work.deletion.drop(first, utcnow() + timedelta(days=31))

    assert (await background.tenant(work, ready.tenant_id)).status is TenantStatus.DELETING


async def test_a_prolonged_grace_period_is_kept(work: BackgroundWork, settings: Settings) -> None:
    ready = await background.ready_tenant(work)
    execution_id = await delete(work, settings, ready)
    due_at = await work.deletion.due_at(execution_id)
    assert due_at is not None
    async with work.database.lobby() as lobby:
        await lobby.execute(
            update(Tenant)
            .where(col(Tenant.id) == ready.tenant_id)
            .values(delete_after=due_at + timedelta(days=1))
        )

    await work.deletion.drop(execution_id, due_at)

    assert (await background.tenant(work, ready.tenant_id)).status is TenantStatus.DELETING
    assert await work.deletion.due_at(execution_id) == due_at + timedelta(days=1)


async def test_a_failed_deletion_requests_the_next(
    work: BackgroundWork, settings: Settings
) -> None:
    ready = await background.ready_tenant(work)
    execution_id = await delete(work, settings, ready)

    await work.deletion.fail(execution_id, "drop_tenant: in use")

    *_, failed, next_one = await background.executions_of(work, ready.tenant_id)
    assert (failed.id, failed.status) == (execution_id, WorkflowStatus.FAILED)
    assert failed.error == "drop_tenant: in use"
    assert (next_one.kind, next_one.status) == (WorkflowKind.DELETE_TENANT, WorkflowStatus.PENDING)
