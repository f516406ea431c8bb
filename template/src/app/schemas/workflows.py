"""Background work as platform superusers see it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel

from app.models.public.workflow_executions import WorkflowKind, WorkflowStatus
from app.schemas.base import at_most, at_most_bytes


class WorkflowExecutionRead(BaseModel):
    id: UUID
    kind: WorkflowKind | Annotated[str, at_most(32)]
    """Text of another kind: of a release that was taken back."""
    status: WorkflowStatus
    tenant_id: UUID | None
    user_id: UUID | None
    payload: Annotated[dict[str, Any], at_most_bytes(1024)]
    error: Annotated[str, at_most(2000)] | None
    created_at: datetime
    started_at: datetime | None
    checked_at: datetime | None
    """When somebody last looked after it."""
    finished_at: datetime | None
