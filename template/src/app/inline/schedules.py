"""What runs by the clock."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from app.core.db.database import Database
from app.models.base import Timestamp
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.repositories.public.workflow_queue import IS_OPEN

_VERSION_AND_VARIANT: Final = 0x7000_8000_0000_0000_0000


async def request_clean_up(database: Database) -> bool:
    """Ask for this hour's clean-up, unless somebody did or an earlier one is still open.

    Its id is made of the hour by PostgreSQL's clock, so that of several processes one writes the row. Returns
    `False`: there is no more to do until the next time.
    """
    open_one = exists().where(col(WorkflowExecution.kind) == WorkflowKind.CLEAN_UP, IS_OPEN)
    async with database.lobby() as session:
        query = select(
            func.date_trunc("hour", func.now(), type_=Timestamp).label("hour"),
            open_one.label("is_open"),
        )
        row = (await session.execute(query)).one()
        if not row.is_open:
            await session.execute(
                insert(WorkflowExecution)
                .values(
                    id=id_of_hour(row.hour),
                    kind=WorkflowKind.CLEAN_UP,
                    status=WorkflowStatus.PENDING,
                    created_at=func.now(),
                )
                .on_conflict_do_nothing()
            )
    return False


def id_of_hour(hour: datetime) -> UUID:
    """Return a UUID of version 7 (RFC 9562) that has the hour's time and nothing random."""
    milliseconds = int(hour.timestamp()) * 1000
    return UUID(int=milliseconds << 80 | _VERSION_AND_VARIANT)
