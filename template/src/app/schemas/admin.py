"""What platform superusers see and do."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel

from app.models.public.tenants import Tenant, TenantStatus
from app.schemas.base import Body, Name


class AdminTenantRead(BaseModel):
    id: UUID
    name: str
    slug: str
    status: TenantStatus
    schema_name: str
    metadata: dict[str, Any]
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
    suspended_at: datetime | None
    delete_after: datetime | None
    """Until then a tenant that is being deleted can be restored."""

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        """Return a tenant as superusers and the audit trail see it."""
        values = tenant.model_dump(exclude={"attributes", "role_name"})
        return cls(**values, metadata=tenant.attributes)


class IdentityAssumption(Body):
    user_id: UUID
    tenant_id: UUID
    reason: Name
    """Shown to the tenant's admins in their audit log."""


class AssumedIdentity(BaseModel):
    access_token: str
    expires_in: int
    """Seconds."""
