"""Invites as clients see them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from app.core.emails import Email
from app.core.roles import Role
from app.models.public.tenant_invites import InviteStatus
from app.schemas.base import Body, Name
from app.schemas.sessions import Token
from app.schemas.users import Password


class InviteCreate(Body):
    email: Email
    role: Role


class InviteRead(BaseModel):
    id: UUID
    email: str
    role: Role
    status: InviteStatus
    invited_by: UUID | None
    created_at: datetime
    expires_at: datetime


class InviteAccept(Body):
    """A new user also chooses a password and a name; who has an account signs in and sends the token alone."""

    token: Token
    password: Password | None = None
    full_name: Name | None = None


class InvitePreview(BaseModel):
    """What the holder of an invite's token may know before accepting."""

    email: str
    tenant_name: str
    role: Role
    expires_at: datetime
