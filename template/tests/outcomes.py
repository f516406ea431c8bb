"""What background work leads to, whichever engine carries it out."""

from uuid import UUID

from sqlalchemy import exists, select
from sqlmodel import col

from app.models.public.refresh_tokens import RefreshToken
from app.models.public.tenants import TenantStatus
from app.models.public.workflow_executions import WorkflowKind, WorkflowStatus
from app.models.tenant.projects import Project
from app.services.background_work import BackgroundWork
from tests import background
from tests.background import Requested


async def assert_completed(work: BackgroundWork, execution_id: UUID) -> None:
    """Check what the row of an execution says that was carried out."""
    execution = await background.execution(work, execution_id)
    assert (execution.status, execution.error) == (WorkflowStatus.COMPLETED, None)
    assert execution.started_at is not None
    assert execution.finished_at is not None
    assert execution.created_at <= execution.started_at <= execution.finished_at


async def assert_failed(
    work: BackgroundWork, execution_id: UUID, error: str | tuple[str, ...]
) -> None:
    """Check what the row of an execution says that was given up, to the operator who lists such rows."""
    execution = await background.execution(work, execution_id)
    assert execution.status is WorkflowStatus.FAILED
    assert (execution.error or "").startswith(error), execution.error
    assert execution.finished_at is not None


async def assert_provisioned(work: BackgroundWork, requested: Requested) -> None:
    """Check that a tenant was made, once, and that its owner is welcomed, once."""
    tenant = await background.tenant(work, requested.tenant_id)
    assert tenant.status is TenantStatus.READY
    assert await background.has_every_table(work, tenant.schema_name)
    heads = await background.heads(work, "tenant_acme")
    assert await background.heads(work, tenant.schema_name) == heads
    async with work.database.tenant(requested.tenant_id) as session:
        assert await session.scalars(select(Project)) == []
    actions = await background.actions(work, requested.tenant_id)
    assert actions == ["tenant.created", "tenant.provisioned"]
    provisioning, welcome = await background.executions_of(work, requested.tenant_id)
    assert provisioning.id == requested.execution_id
    assert (welcome.kind, welcome.payload["mail"]) == (WorkflowKind.SEND_EMAIL, "welcome")
    await assert_completed(work, provisioning.id)


async def assert_compensated(
    work: BackgroundWork, requested: Requested, error: str | tuple[str, ...]
) -> None:
    """Check that nothing is left of a tenant that could not be made, and that its row says why."""
    tenant = await background.tenant(work, requested.tenant_id)
    assert tenant.status is TenantStatus.FAILED
    assert await background.tables(work, tenant.schema_name) == set()
    assert not await background.role_exists(work, tenant.role_name)
    actions = await background.actions(work, requested.tenant_id)
    assert actions == ["tenant.created", "tenant.provisioning_failed"]
    await assert_failed(work, requested.execution_id, error)


async def assert_deleted(work: BackgroundWork, tenant_id: UUID, execution_id: UUID) -> None:
    """Check that a tenant's data and role are gone."""
    tenant = await background.tenant(work, tenant_id)
    assert tenant.status is TenantStatus.DELETED
    assert await background.tables(work, tenant.schema_name) == set()
    assert not await background.role_exists(work, tenant.role_name)
    await assert_completed(work, execution_id)


async def assert_kept(work: BackgroundWork, tenant_id: UUID, execution_id: UUID) -> None:
    """Check that a tenant which was restored in time has lost nothing."""
    tenant = await background.tenant(work, tenant_id)
    assert tenant.status is TenantStatus.READY
    assert await background.has_every_table(work, tenant.schema_name)
    execution = await background.execution(work, execution_id)
    assert execution.status is WorkflowStatus.CANCELLED


async def assert_cleaned_up(work: BackgroundWork, execution_id: UUID, expired_id: UUID) -> None:
    """Check that a clean-up has removed what had expired."""
    async with work.database.lobby() as lobby:
        query = select(exists().where(col(RefreshToken.id) == expired_id))
        assert not await lobby.scalar(query)
    await assert_completed(work, execution_id)
