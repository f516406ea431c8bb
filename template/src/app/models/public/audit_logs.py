"""What was changed, by whom. The application can add rows and read them, nothing else."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.core.identifiers import utcnow, uuid7
from app.models.base import PublicBase, Timestamp


class AuditLog(PublicBase, table=True):
    __tablename__ = "audit_logs"
    __table_args__ = (
        Index("ix_audit_logs_tenant_id", "tenant_id", "occurred_at", "id"),
        Index("ix_audit_logs_entity", "tenant_id", "entity_type", "entity_id", "occurred_at", "id"),
    )

    # No foreign keys: a row outlives what it speaks of.
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    occurred_at: datetime = Field(default_factory=utcnow, sa_type=Timestamp)
    action: str = Field(max_length=64)
    tenant_id: UUID | None = None
    user_id: UUID | None = None
    assumed_by: UUID | None = None
    """The superuser who acted as `user_id`."""
    entity_type: str = Field(max_length=64)
    entity_id: str = Field(max_length=64)
    ip_address: str | None = Field(default=None, max_length=45)
    request_id: str | None = Field(default=None, max_length=128)
    before: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    after: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
