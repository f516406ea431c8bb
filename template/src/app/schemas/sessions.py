"""Sessions and their tokens as clients see them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr

from app.core.slugs import Slug
from app.schemas.base import Body
from app.schemas.users import UserTenant

Token = Annotated[
    SecretStr,
    Field(min_length=1, max_length=512, description="What this service or its mail handed out."),
]


class RefreshTokenBody(Body):
    refresh_token: Token


class TenantSwitch(Body):
    tenant: Slug


class Tokens(BaseModel):
    """A session's tokens. The refresh token is good for one refresh."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind of token
    expires_in: int
    """Seconds until the access token expires."""
    tenant: UserTenant | None
    """`null` for a lobby session, which is bound to no tenant."""


class SessionRead(BaseModel):
    id: UUID
    created_at: datetime
    """When the user signed in or switched to the session's tenant."""
    last_used_at: datetime
    """When its access token was last issued."""
    ip_address: str | None
    user_agent: str | None
    current: bool


EndReason = Literal["logout", "revoked", "token_reused", "password_changed"]


class SessionRecord(BaseModel):
    """What the audit trail keeps of a session that starts."""

    tenant: str | None
    user_agent: str | None


class EndedSessions(BaseModel):
    """What the audit trail keeps of sessions that end."""

    reason: EndReason
    sessions: list[UUID]
