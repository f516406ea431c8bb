"""Slugs that a tenant had, kept from others for `SLUG_HOLD`. A trigger writes them (`lobby_0004`)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field

from app.core.slugs import SLUG_MAX_LENGTH
from app.models.base import PublicBase, Timestamp


class FreedSlug(PublicBase, table=True):
    __tablename__ = "freed_slugs"
    __table_args__ = (Index("ix_freed_slugs_freed_at", "freed_at"),)

    name: str = Field(primary_key=True, max_length=SLUG_MAX_LENGTH)
    """With `_` for each `-`, as in `uq_tenants_slug`."""
    tenant_id: UUID = Field(foreign_key="public.tenants.id", ondelete="CASCADE")
    """Who freed it, and may take it back."""
    freed_at: datetime = Field(sa_type=Timestamp)
