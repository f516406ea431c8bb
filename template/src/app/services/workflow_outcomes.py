"""How an execution ends whose engine cannot go on with it, and one that has nothing else to record."""

from uuid import UUID

import structlog

from app.core.db.database import Database
from app.models.public.workflow_executions import WorkflowKind, WorkflowStatus
from app.repositories.public.workflow_queue import QueuedExecution, WorkflowQueue
from app.services.background_failures import describe, may_pass
from app.services.deletion import Deletion
from app.services.provisioning import Provisioning

log = structlog.get_logger(__name__)


class WorkflowOutcomes:
    """Closes executions; one that is closed already stays as it is."""

    def __init__(self, database: Database, provisioning: Provisioning, deletion: Deletion) -> None:
        self.database = database
        self.provisioning = provisioning
        self.deletion = deletion

    async def complete(self, execution_id: UUID) -> None:
        """Record that the work is done."""
        async with self.database.lobby() as session:
            await WorkflowQueue(session).close(execution_id, WorkflowStatus.COMPLETED)

    async def fail(self, execution_id: UUID, error: str) -> None:
        """Record that the work was given up."""
        async with self.database.lobby() as session:
            await WorkflowQueue(session).close(execution_id, WorkflowStatus.FAILED, error)

    async def abandon(self, execution: QueuedExecution, error: str) -> None:
        """Record that the engine gave the work up, and leave its tenant in a state that somebody can act on.

        An outage is raised, and nothing is recorded: what was made of a tenant is dropped first.
        """
        match execution.kind:
            case WorkflowKind.PROVISION_TENANT:
                await self._abandon_provisioning(execution.id, error)
            case WorkflowKind.DELETE_TENANT:
                await self.deletion.fail(execution.id, error)
            case _:
                await self.fail(execution.id, error)

    async def _abandon_provisioning(self, execution_id: UUID, error: str) -> None:
        try:
            await self.provisioning.drop_unready(execution_id)
        except Exception as exc:
            if may_pass(exc):
                raise
            # What is left of the schema is used by a retry and dropped by a deletion.
            log.exception("unready_schema_not_dropped", execution_id=str(execution_id))
            error = f"{error}; its schema is still there: {describe(exc)}"
        await self.provisioning.fail(execution_id, error)
