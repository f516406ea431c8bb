"""Which person at the identity provider a user is."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from app.core.identifiers import utcnow, uuid7
from app.models.base import PublicBase, Timestamp


class UserIdentity(PublicBase, table=True):
    __tablename__ = "user_identities"
    __table_args__ = (
        UniqueConstraint("issuer", "subject", name="uq_user_identities_subject"),
        # An address that the provider gives to somebody else must not carry the account along.
        UniqueConstraint("user_id", "issuer", name="uq_user_identities_user_id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    user_id: UUID = Field(foreign_key="public.users.id", ondelete="CASCADE")
    issuer: str = Field(max_length=512)
    subject: str = Field(max_length=255)
    """`sub`, which never changes and is never given to another (OpenID Connect Core, 5.7)."""
    created_at: datetime = Field(default_factory=utcnow, sa_type=Timestamp)
