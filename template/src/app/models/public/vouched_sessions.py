"""Sessions that the identity provider vouches for; every other one was begun with a password."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field

from app.models.base import PublicBase, Timestamp


class VouchedSession(PublicBase, table=True):
    __tablename__ = "vouched_sessions"
    __table_args__ = (Index("ix_vouched_sessions_expires_at", "expires_at"),)

    id: UUID = Field(primary_key=True)
    """`family_id` of the session's refresh tokens."""
    user_id: UUID = Field(foreign_key="public.users.id", ondelete="CASCADE")
    expires_at: datetime = Field(sa_type=Timestamp)
    """When the session ends at the latest."""
