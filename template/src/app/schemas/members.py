"""Members of a tenant as clients see them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from app.core.roles import Role
from app.schemas.base import Body


class MemberUpdate(Body):
    role: Role


class MemberRead(BaseModel):
    user_id: UUID
    email: str
    full_name: str
    role: Role
    joined_at: datetime
