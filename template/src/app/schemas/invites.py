"""Invites as clients see them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from app.core.emails import Email
from app.core.roles import Role
from app.models.public.tenant_invites import InviteStatus
from app.schemas.base import Body, ShownEmail, ShownName, ShownSlug
from app.schemas.sessions import Token


class InviteCreate(Body):
    email: Email
    role: Role


class InviteRead(BaseModel):
    id: UUID
    email: ShownEmail
    role: Role
    status: InviteStatus
    invited_by: UUID | None
    created_at: datetime
    expires_at: datetime


class OwnInviteRead(BaseModel):
    """What the invited address may know of an invite before it accepts."""

    id: UUID
    tenant_name: ShownName
    tenant_slug: ShownSlug
    role: Role
    invited_by_name: ShownName
    created_at: datetime
    expires_at: datetime


class TokenBody(Body):
    token: Token


class InvitePreview(BaseModel):
    """What the holder of an invite's token may know before accepting."""

    email: ShownEmail
    tenant_name: ShownName
    role: Role
    expires_at: datetime
