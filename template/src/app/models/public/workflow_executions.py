"""Background work that was requested: each row is written in the transaction that needs the work done."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.core.identifiers import utcnow, uuid7
from app.models.base import LongText, PublicBase, Timestamp, one_of, text_enum


class WorkflowKind(StrEnum):
    """What is to be done."""

    PROVISION_TENANT = "provision_tenant"
    DELETE_TENANT = "delete_tenant"
    SEND_EMAIL = "send_email"
    CLEAN_UP = "clean_up"


class WorkflowStatus(StrEnum):
    """How far it is. `pending` waits for its first attempt."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class WorkflowExecution(PublicBase, table=True):
    __tablename__ = "workflow_executions"
    __table_args__ = (
        CheckConstraint(one_of("kind", WorkflowKind), name="kind"),
        CheckConstraint(one_of("status", WorkflowStatus), name="status"),
        # At most one provisioning and one deletion of a tenant at a time.
        Index(
            "uq_workflow_executions_active",
            "kind",
            "tenant_id",
            unique=True,
            postgresql_where=text(
                "status IN ('pending', 'running') AND kind IN ('provision_tenant', 'delete_tenant')"
            ),
        ),
        Index(
            "ix_workflow_executions_open",
            "status",
            "id",
            postgresql_where=text("status IN ('pending', 'running')"),
        ),
        Index("ix_workflow_executions_tenant_id", "tenant_id", "id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    """Also what the engine knows it by: asked for twice, it is done once."""
    kind: WorkflowKind = Field(sa_type=text_enum(WorkflowKind))
    status: WorkflowStatus = Field(
        default=WorkflowStatus.PENDING, sa_type=text_enum(WorkflowStatus)
    )
    tenant_id: UUID | None = Field(
        default=None, foreign_key="public.tenants.id", ondelete="CASCADE"
    )
    user_id: UUID | None = Field(default=None, foreign_key="public.users.id", ondelete="SET NULL")
    payload: dict[str, Any] = Field(
        default_factory=dict,
        sa_type=JSONB,
        sa_column_kwargs={"server_default": text("'{}'::jsonb")},
    )
    """Ids and names of templates; never a token, an address or another secret."""
    error: str | None = Field(default=None, sa_type=LongText)
    created_at: datetime = Field(default_factory=utcnow, sa_type=Timestamp)
    started_at: datetime | None = Field(default=None, sa_type=Timestamp)
    checked_at: datetime | None = Field(default=None, sa_type=Timestamp)
    """When somebody last looked after it."""
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)
