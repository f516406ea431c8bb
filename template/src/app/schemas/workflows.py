"""Background work as platform superusers see it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from app.models.public.workflow_executions import WorkflowKind, WorkflowStatus


class WorkflowExecutionRead(BaseModel):
    id: UUID
    kind: WorkflowKind
    status: WorkflowStatus
    tenant_id: UUID | None
    user_id: UUID | None
    payload: dict[str, Any]
    error: str | None
    created_at: datetime
    started_at: datetime | None
    checked_at: datetime | None
    """When somebody last looked after it."""
    finished_at: datetime | None
