"""A change of a tenant's row, with the audit row that goes with it."""

from collections.abc import Mapping
from uuid import UUID

from app.models.public.tenants import Tenant
from app.repositories.public.tenants import TenantRegistry
from app.schemas.admin import AdminTenantRead
from app.services.audit_trail import AuditTrail


async def move(
    tenants: TenantRegistry,
    audit: AuditTrail,
    tenant: Tenant,
    action: str,
    changes: Mapping[str, object],
    *,
    user_id: UUID | None = None,
) -> AdminTenantRead:
    """Change a locked tenant and record it as `action`; `user_id` stands in where the actor has none.

    Raises:
        TransitionNotAllowed: the tenant's state does not lead to the new one.
    """
    before = AdminTenantRead.of(tenant)
    after = AdminTenantRead.of(await tenants.update(tenant, changes))
    await audit.record(
        action,
        "tenant",
        tenant.id,
        before=before,
        after=after,
        tenant_id=tenant.id,
        user_id=user_id,
    )
    return after
