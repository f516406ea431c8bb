"""The steps between a tenant's states (docs/multi-tenancy.md draws them)."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from app.core.errors import TransitionNotAllowed
from app.core.identifiers import utcnow
from app.models.public.tenants import Tenant, TenantStatus
from app.repositories.public.tenants import TenantRegistry
from app.schemas.admin import AdminTenantRead
from app.services.audit_trail import AuditTrail
from app.services.tenant_moves import move
from app.services.workflow_requests import WorkflowRequests

_WITH_DATA: Final = (TenantStatus.READY, TenantStatus.SUSPENDED)


class TenantLifecycle:
    """Works inside the caller's transaction; never commits (ADR 0003).

    Every step raises `NotFound` if there is no such tenant and `TransitionNotAllowed` if its state forbids the step.
    """

    def __init__(
        self,
        tenants: TenantRegistry,
        requests: WorkflowRequests,
        audit: AuditTrail,
        *,
        deletion_grace: timedelta,
    ) -> None:
        self.tenants = tenants
        self.requests = requests
        self.audit = audit
        self.deletion_grace = deletion_grace

    async def suspend(self, id: UUID) -> AdminTenantRead:
        """Shut a ready tenant's members out; its data stays."""
        tenant = await self._in(id, (TenantStatus.READY,))
        return await self._move(
            tenant, "tenant.suspended", status=TenantStatus.SUSPENDED, suspended_at=utcnow()
        )

    async def resume(self, id: UUID) -> AdminTenantRead:
        """Let a suspended tenant's members in again."""
        tenant = await self._in(id, (TenantStatus.SUSPENDED,))
        return await self._move(
            tenant, "tenant.resumed", status=TenantStatus.READY, suspended_at=None
        )

    async def retry(self, id: UUID) -> AdminTenantRead:
        """Provision a failed tenant once more."""
        tenant = await self._in(id, (TenantStatus.FAILED,))
        await self.requests.provision_tenant(id)
        return await self._move(
            tenant, "tenant.provisioning_retried", status=TenantStatus.PROVISIONING
        )

    async def delete(self, id: UUID) -> AdminTenantRead:
        """Shut a tenant's members out and have its data dropped when the grace period ends.

        A tenant that was never ready has no data to wait for.
        """
        tenant = await self._in(id, (*_WITH_DATA, TenantStatus.FAILED, TenantStatus.PENDING))
        if tenant.status is TenantStatus.PENDING:
            return await self._move(tenant, "tenant.deleted", status=TenantStatus.DELETED)
        # Long ago, where there are no data to give back: restored, the tenant would be ready without a schema.
        has_data = tenant.status in _WITH_DATA
        due_at = utcnow() + self.deletion_grace if has_data else tenant.created_at
        deleting = await self._move(
            tenant,
            "tenant.deletion_requested",
            status=TenantStatus.DELETING,
            delete_after=due_at,
        )
        await self.requests.delete_tenant(id)
        return deleting

    async def restore(self, id: UUID) -> AdminTenantRead:
        """Take back a deletion whose grace period has not ended."""
        tenant = await self._in(id, (TenantStatus.DELETING,))
        if tenant.delete_after is None or tenant.delete_after <= utcnow():
            raise TransitionNotAllowed("The grace period is over.")
        status = TenantStatus.SUSPENDED if tenant.suspended_at else TenantStatus.READY
        await self.requests.executions.cancel_deletion(id)
        return await self._move(tenant, "tenant.restored", status=status, delete_after=None)

    async def _in(self, id: UUID, statuses: tuple[TenantStatus, ...]) -> Tenant:
        tenant = await self.tenants.get(id)
        if tenant.status not in statuses:
            allowed = " or ".join(statuses)
            raise TransitionNotAllowed(
                f"The tenant is {tenant.status}; this is for one that is {allowed}."
            )
        return tenant

    async def _move(self, tenant: Tenant, action: str, **changes: object) -> AdminTenantRead:
        return await move(self.tenants, self.audit, tenant, action, changes)
