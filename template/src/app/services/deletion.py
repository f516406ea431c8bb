"""Drops a tenant whose grace period has ended (docs/multi-tenancy.md).

An engine asks `due_at`, waits, asks again, and calls `drop`; when that keeps failing, `fail`.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from app.core.db import tenancy
from app.core.db.owner import OwnerDatabase
from app.models.public.tenant_invites import InviteStatus
from app.models.public.tenants import TenantStatus
from app.models.public.workflow_executions import WorkflowStatus
from app.repositories.public.tenant_invites import InviteRepository
from app.services.audit_trail import Actor, AuditTrail
from app.services.invite_endings import end_invite
from app.services.tenant_work import TenantWork, tenant_work
from app.services.workflow_requests import WorkflowRequests

_DELETING: Final = TenantStatus.DELETING


class Deletion:
    """Each step is one transaction, and does nothing when its execution was closed or the tenant restored."""

    def __init__(self, owner: OwnerDatabase) -> None:
        self.owner = owner

    async def due_at(self, execution_id: UUID) -> datetime | None:
        """Return when the tenant is to be dropped, or `None` if it is not."""
        async with tenant_work(self.owner, execution_id, _DELETING) as work:
            return None if work is None else work.tenant.delete_after

    async def drop(self, execution_id: UUID, due_at: datetime) -> None:
        """Drop the schema with all its data and the role, and free the slug, which is held back for `SLUG_HOLD`.

        Memberships and sessions stay, so that members are told what became of the tenant. Nothing happens if the
        grace period was prolonged beyond `due_at`.
        """
        async with tenant_work(self.owner, execution_id, _DELETING) as work:
            if work is None or (work.tenant.delete_after or due_at) > due_at:
                return
            await _cancel_invites(work)
            await tenancy.drop_tenant_schema(
                work.connection, schema=work.tenant.schema_name, role=work.role
            )
            await work.change_status(TenantStatus.DELETED, action="tenant.deleted")
            await work.close(WorkflowStatus.COMPLETED)

    async def fail(self, execution_id: UUID, error: str) -> None:
        """Record that the attempts of this execution are over, and request the next one."""
        async with tenant_work(self.owner, execution_id, _DELETING) as work:
            if work is not None:
                await work.close(WorkflowStatus.FAILED, error)
                await WorkflowRequests(work.session).delete_tenant(work.tenant.id)


async def _cancel_invites(work: TenantWork) -> None:
    invites, audit = InviteRepository(work.session), AuditTrail(work.session, Actor())
    for invite in await invites.pending_of(work.tenant.id):
        await end_invite(invites, audit, invite, InviteStatus.CANCELLED)
