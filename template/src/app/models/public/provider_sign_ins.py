"""Sign-ins that came back from the identity provider: each counts once."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from app.core.identifiers import utcnow, uuid7
from app.models.base import PublicBase, Timestamp


class ProviderSignIn(PublicBase, table=True):
    __tablename__ = "provider_sign_ins"
    __table_args__ = (
        UniqueConstraint("state_hash"),
        UniqueConstraint("code_hash"),
        Index("ix_provider_sign_ins_expires_at", "expires_at"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    state_hash: bytes
    user_id: UUID = Field(foreign_key="public.users.id", ondelete="CASCADE")
    tenant_id: UUID | None = Field(
        default=None, foreign_key="public.tenants.id", ondelete="CASCADE"
    )
    code_hash: bytes | None = None
    """Of the code that the page which began the sign-in exchanges for tokens; `None` once it did."""
    code_challenge: str | None = Field(default=None, max_length=43)
    """What that page has to know the verifier of (RFC 7636, S256)."""
    code_expires_at: datetime | None = Field(default=None, sa_type=Timestamp)
    expires_at: datetime = Field(sa_type=Timestamp)
    """When the browser's cookie has expired, so that nothing can come back a second time."""
    created_at: datetime = Field(default_factory=utcnow, sa_type=Timestamp)
