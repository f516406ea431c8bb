"""Projects, the sample resource: replace it by your own."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from app.core.identifiers import utcnow, uuid7
from app.models.base import LongText, TenantBase, Timestamp


class Project(TenantBase, table=True):
    __tablename__ = "projects"
    __table_args__ = (
        UniqueConstraint("name"),
        Index("ix_projects_created_at_id", "created_at", "id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    name: str = Field(max_length=200)
    description: str | None = Field(default=None, sa_type=LongText)
    created_by: UUID
    """A user of the lobby; no foreign key leaves a tenant's schema (ADR 0002)."""
    created_at: datetime = Field(default_factory=utcnow, sa_type=Timestamp)
    updated_at: datetime = Field(
        default_factory=utcnow, sa_type=Timestamp, sa_column_kwargs={"onupdate": utcnow}
    )
