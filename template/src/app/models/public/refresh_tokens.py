"""Refresh tokens. A family is one session: each refresh spends a token and adds the next."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field

from app.core.identifiers import utcnow, uuid7
from app.models.base import PublicBase, Timestamp

LIVE = "spent_at IS NULL AND revoked_at IS NULL"


class RefreshToken(PublicBase, table=True):
    __tablename__ = "refresh_tokens"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        Index("uq_refresh_tokens_live", "family_id", unique=True, postgresql_where=text(LIVE)),
        Index("ix_refresh_tokens_user_id", "user_id", postgresql_where=text(LIVE)),
        Index("ix_refresh_tokens_expires_at", "expires_at"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    family_id: UUID
    """The session; access tokens name it as `sid`."""
    root_id: UUID | None = None
    """The session of the sign-in, in one that was derived from it: the two end together (ADR 0011)."""
    user_id: UUID = Field(foreign_key="public.users.id", ondelete="CASCADE")
    tenant_id: UUID | None = Field(
        default=None, foreign_key="public.tenants.id", ondelete="CASCADE"
    )
    token_hash: bytes
    ip_address: str | None = Field(default=None, max_length=45)
    user_agent: str | None = Field(default=None, max_length=255)
    started_at: datetime = Field(default_factory=utcnow, sa_type=Timestamp)
    """When the session began."""
    session_expires_at: datetime = Field(sa_type=Timestamp)
    created_at: datetime = Field(default_factory=utcnow, sa_type=Timestamp)
    expires_at: datetime = Field(sa_type=Timestamp)
    """When the clean-up may remove it: for a spent one, when the session has to end."""
    spent_at: datetime | None = Field(default=None, sa_type=Timestamp)
    revoked_at: datetime | None = Field(default=None, sa_type=Timestamp)
