"""Which process carries out an execution, and when it is due."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from app.models.base import PublicBase, Timestamp


class WorkflowClaim(PublicBase, table=True):
    __tablename__ = "workflow_claims"

    execution_id: UUID = Field(
        primary_key=True, foreign_key="public.workflow_executions.id", ondelete="CASCADE"
    )
    holder: UUID | None = None
    """The process that has it; none between two attempts."""
    attempts: int
    """How many were begun."""
    due_at: datetime = Field(sa_type=Timestamp)
    """When the next attempt may begin. While one runs, its holder moves this ahead of the clock: it is a lease."""
