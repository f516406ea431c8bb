"""Members of a tenant as clients see them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from app.core.roles import Role
from app.schemas.base import Body, ShownEmail, ShownName


class MemberUpdate(Body):
    role: Role


class MemberRead(BaseModel):
    user_id: UUID
    email: ShownEmail
    full_name: ShownName
    role: Role
    joined_at: datetime
