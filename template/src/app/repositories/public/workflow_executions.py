"""Requested background work."""

from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlmodel import col

from app.core.errors import TransitionNotAllowed
from app.core.identifiers import utcnow
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.repositories.base import LobbyRepository
from app.repositories.pages import Pages
from app.repositories.public.workflow_queue import IS_OPEN
from app.schemas.base import Page, PageRequest
from app.schemas.workflows import WorkflowExecutionRead

_NEWEST: Final = Pages(
    select(WorkflowExecution),
    WorkflowExecutionRead,
    at=col(WorkflowExecution.created_at),
    id=col(WorkflowExecution.id),
    ids_in_order=True,
    filters={
        "status": col(WorkflowExecution.status) == bindparam("status"),
        "tenant_id": col(WorkflowExecution.tenant_id) == bindparam("tenant_id"),
    },
)


class WorkflowExecutionRepository(LobbyRepository[WorkflowExecution]):
    model = WorkflowExecution
    # The one before has failed or been cancelled, and its end is about to be written.
    conflicts = {"uq_workflow_executions_active": TransitionNotAllowed}

    async def page(
        self, request: PageRequest, *, status: WorkflowStatus | None, tenant_id: UUID | None
    ) -> Page[WorkflowExecutionRead]:
        """Return executions, newest first: their ids are in the order of creation (RFC 9562)."""
        return await _NEWEST.read(self.session, request, status=status, tenant_id=tenant_id)

    async def cancel_deletion(self, tenant_id: UUID) -> None:
        """Take back what was requested and has not ended; the workflow looks at the tenant again anyway."""
        await self.session.execute(
            update(WorkflowExecution)
            .where(
                col(WorkflowExecution.tenant_id) == tenant_id,
                col(WorkflowExecution.kind) == WorkflowKind.DELETE_TENANT,
                IS_OPEN,
            )
            .values(status=WorkflowStatus.CANCELLED, finished_at=utcnow())
        )
