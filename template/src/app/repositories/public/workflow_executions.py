"""Requested background work."""

from uuid import UUID

from sqlalchemy import select, update
from sqlmodel import col

from app.core.errors import TransitionNotAllowed
from app.core.identifiers import utcnow
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.repositories.base import LobbyRepository
from app.repositories.public.workflow_queue import IS_OPEN
from app.schemas.base import Page, PageRequest, Position
from app.schemas.workflows import WorkflowExecutionRead


class WorkflowExecutionRepository(LobbyRepository[WorkflowExecution]):
    model = WorkflowExecution
    # The one before has failed or been cancelled, and its end is about to be written.
    conflicts = {"uq_workflow_executions_active": TransitionNotAllowed}

    async def page(
        self, request: PageRequest, *, status: WorkflowStatus | None, tenant_id: UUID | None
    ) -> Page[WorkflowExecutionRead]:
        """Return executions, newest first: their ids are in the order of creation (RFC 9562)."""
        statement = (
            select(WorkflowExecution)
            .where(col(WorkflowExecution.id) < request.after.id)
            .order_by(col(WorkflowExecution.id).desc())
            .limit(request.limit + 1)
        )
        if status is not None:
            statement = statement.where(col(WorkflowExecution.status) == status)
        if tenant_id is not None:
            statement = statement.where(col(WorkflowExecution.tenant_id) == tenant_id)
        rows = [
            WorkflowExecutionRead.model_validate(row, from_attributes=True)
            for row in await self.session.scalars(statement)
        ]
        return Page.of(rows, request.limit, lambda row: Position(row.created_at, row.id))

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
