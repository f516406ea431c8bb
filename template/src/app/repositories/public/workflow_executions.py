"""Requested background work."""

from app.models.public.workflow_executions import WorkflowExecution
from app.repositories.base import LobbyRepository


class WorkflowExecutionRepository(LobbyRepository[WorkflowExecution]):
    model = WorkflowExecution
