"""Users, and the tenants that they belong to, as clients see them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from app.core.roles import Role
from app.models.public.tenants import TenantStatus
from app.schemas.base import Change, Name, ShownEmail, ShownName, ShownSlug


class UserUpdate(Change):
    full_name: Name = ""


class UserRead(BaseModel):
    id: UUID
    email: ShownEmail
    full_name: ShownName
    email_verified: bool
    is_superuser: bool
    created_at: datetime


class UserTenant(BaseModel):
    """A tenant and what the user is in it."""

    id: UUID
    slug: ShownSlug
    name: ShownName
    status: TenantStatus
    role: Role
