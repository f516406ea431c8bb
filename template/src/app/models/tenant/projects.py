"""Projects and their tasks, the sample resource."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from app.core.identifiers import utcnow
from app.models.base import LongText, TenantRow, Timestamp


class Project(TenantRow, table=True):
    __tablename__ = "projects"
    __table_args__ = (UniqueConstraint("name"), Index(None, "created_at", "id"))

    name: str = Field(max_length=200)
    description: str | None = Field(default=None, sa_type=LongText)
    created_by: UUID
    """A user of the lobby; no foreign key leaves a tenant's schema (ADR 0002)."""
    updated_at: datetime = Field(
        default_factory=utcnow, sa_type=Timestamp, sa_column_kwargs={"onupdate": utcnow}
    )


class ProjectTask(TenantRow, table=True):
    __tablename__ = "project_tasks"
    __table_args__ = (Index(None, "project_id", "created_at", "id"),)

    project_id: UUID = Field(foreign_key="projects.id")
    title: str = Field(max_length=200)
