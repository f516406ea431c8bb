"""The state of requested background work, as what carries it out sees and changes it."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Text, exists, func, select, type_coerce, update
from sqlmodel import col

from app.core.db.sessions import LobbySession
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus

IS_OPEN: Final = col(WorkflowExecution.status).in_((WorkflowStatus.PENDING, WorkflowStatus.RUNNING))
"""Has still to be done. There is an index on this condition, and none on `finished_at`."""


def turn() -> ColumnElement[int]:
    """Return the place of an execution among those of its tenant that the query reads, the oldest's being 1.

    By turns, a tenant's hundredth mail waits for other tenants' first. What belongs to no tenant has a turn of its own.
    """
    id = col(WorkflowExecution.id)
    of = func.coalesce(col(WorkflowExecution.tenant_id), id)
    return func.row_number().over(partition_by=of, order_by=id)


class QueuedExecution(BaseModel):
    """What an engine has to know of an execution."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    kind: WorkflowKind


_UNKNOWN_FOR: Final = timedelta(days=1)
"""While a release is rolled out or taken back, processes of the other one may know a kind that this one does not."""


class WorkflowQueue:
    """One execution at a time, by its id, but for those that nobody takes up."""

    def __init__(self, session: LobbySession) -> None:
        self.session = session

    async def is_open(self, execution_id: UUID) -> bool:
        """Tell whether the execution has still to be done."""
        query = select(exists().where(col(WorkflowExecution.id) == execution_id, IS_OPEN))
        return bool(await self.session.scalar(query))

    async def close(
        self, execution_id: UUID, status: WorkflowStatus, error: str | None = None
    ) -> bool:
        """Record how the execution ended, and tell whether it was open until now."""
        closed = await self.session.execute(
            update(WorkflowExecution)
            .where(col(WorkflowExecution.id) == execution_id, IS_OPEN)
            .values(
                status=status,
                error=error,
                started_at=func.coalesce(col(WorkflowExecution.started_at), func.now()),
                finished_at=func.now(),
            )
            .returning(col(WorkflowExecution.id))
        )
        return closed.first() is not None

    async def fail_unknown(self) -> list[str]:
        """Give up what has been asked for a day ago or longer and is of a kind that this release does not know.

        Return the kinds, one for each execution.
        """
        kind = type_coerce(col(WorkflowExecution.kind), Text)
        failed = await self.session.execute(
            update(WorkflowExecution)
            .where(
                IS_OPEN,
                kind.not_in([known.value for known in WorkflowKind]),
                col(WorkflowExecution.created_at) < func.now() - _UNKNOWN_FOR,
            )
            .values(
                status=WorkflowStatus.FAILED,
                error="No release that runs knows this kind of work.",
                finished_at=func.now(),
            )
            .returning(kind)
            .execution_options(synchronize_session=False)
        )
        return list(failed.scalars())
