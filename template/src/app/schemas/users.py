"""Users, and the tenants that they belong to, as clients see them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr

from app.core.roles import Role
from app.core.security.passwords import MAX_LENGTH
from app.models.public.tenants import TenantStatus
from app.schemas.base import Body, Change, Name

Password = Annotated[
    SecretStr,
    Field(
        min_length=1,
        max_length=MAX_LENGTH,
        description="Its strength is estimated; there is no rule about kinds of characters.",
    ),
]


class UserUpdate(Change):
    full_name: Name = ""


class PasswordChange(Body):
    current_password: Password
    new_password: Password


class UserRead(BaseModel):
    id: UUID
    email: str
    full_name: str
    email_verified: bool
    is_superuser: bool
    created_at: datetime


class UserTenant(BaseModel):
    """A tenant and what the user is in it."""

    id: UUID
    slug: str
    name: str
    status: TenantStatus
    role: Role
