"""What an engine's schedule asks for each hour."""

from sqlalchemy import exists, select
from sqlmodel import col

from app.core.db.database import Database
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind
from app.repositories.public.workflow_queue import IS_OPEN


async def request_clean_up(database: Database) -> None:
    """Ask for a clean-up, unless one is waiting or running."""
    open_one = exists().where(col(WorkflowExecution.kind) == WorkflowKind.CLEAN_UP, IS_OPEN)
    async with database.lobby() as session:
        if not await session.scalar(select(open_one)):
            await session.add(WorkflowExecution(kind=WorkflowKind.CLEAN_UP))
