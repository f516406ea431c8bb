"""Requested background work as a queue that any number of workers reads."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, case, func, select, update
from sqlmodel import col

from app.core.db.sessions import LobbySession
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.repositories.public.workflow_queue import IS_OPEN, QueuedExecution, turn

CLAIM_LEASE: Final = timedelta(seconds=5)
"""How long one worker has a pending execution to itself; then another may try."""

CHECK_INTERVAL: Final = timedelta(seconds=20)
CHECK_INTERVAL_OF_DELETIONS: Final = timedelta(minutes=10)
"""They sleep for weeks, many at a time."""

PLACES: Final = 20
"""How many executions of one tenant Temporal has at a time; the others wait in the table."""

# After a roll-back there may be kinds that only the newer release knows; one such row would stop all others.
_KNOWN: Final = col(WorkflowExecution.kind).in_(tuple(WorkflowKind))
_PENDING: Final = col(WorkflowExecution.status) == WorkflowStatus.PENDING
_RUNNING: Final = col(WorkflowExecution.status) == WorkflowStatus.RUNNING


class WorkflowDispatch:
    """Rows that another worker is looking at are passed over, not waited for."""

    def __init__(self, session: LobbySession) -> None:
        self.session = session

    async def claim_pending(self, limit: int) -> list[QueuedExecution]:
        """Return the oldest executions that nobody else is starting, tenants in turns.

        Of one tenant `PLACES` are with the engine at a time: what it was given, it does in that order.
        """
        id, checked_at = col(WorkflowExecution.id), col(WorkflowExecution.checked_at)
        unclaimed = checked_at.is_(None) | (checked_at < func.now() - CLAIM_LEASE)
        turns = select(id.label("id"), turn().label("turn")).where(IS_OPEN).subquery()
        return await self._claim(
            select(id)
            .join(turns, turns.c.id == id)
            .where(_PENDING, _KNOWN, unclaimed, turns.c.turn <= PLACES)
            .order_by(turns.c.turn, id),
            limit,
        )

    async def claim_running(self, limit: int) -> list[QueuedExecution]:
        """Return the executions that the engine has not been asked about for longest."""
        interval = case(
            (
                col(WorkflowExecution.kind) == WorkflowKind.DELETE_TENANT,
                CHECK_INTERVAL_OF_DELETIONS,
            ),
            else_=CHECK_INTERVAL,
        )
        # One that was enqueued as running, by `app seed`, has not been checked at all.
        checked_at = func.coalesce(
            col(WorkflowExecution.checked_at), col(WorkflowExecution.created_at)
        )
        return await self._claim(
            select(col(WorkflowExecution.id))
            .where(_RUNNING, _KNOWN, checked_at < func.now() - interval)
            .order_by(checked_at),
            limit,
        )

    async def mark_running(self, ids: Sequence[UUID]) -> None:
        """Record that the engine has them; what has ended meanwhile stays as it is."""
        await self.session.execute(
            update(WorkflowExecution)
            .where(col(WorkflowExecution.id).in_(ids), _PENDING)
            .values(status=WorkflowStatus.RUNNING, started_at=func.now(), checked_at=func.now())
        )

    async def release(self, ids: Sequence[UUID]) -> None:
        """Give back what was claimed and could not be started."""
        await self.session.execute(
            update(WorkflowExecution)
            .where(col(WorkflowExecution.id).in_(ids), _PENDING)
            .values(checked_at=None)
        )

    async def _claim(self, ids: Select[Any], limit: int) -> list[QueuedExecution]:
        claimed = await self.session.execute(
            update(WorkflowExecution)
            .where(
                col(WorkflowExecution.id).in_(
                    ids.limit(limit).with_for_update(of=WorkflowExecution, skip_locked=True)
                )
            )
            .values(checked_at=func.now())
            .returning(col(WorkflowExecution.id), col(WorkflowExecution.kind))
            .execution_options(synchronize_session=False)
        )
        return [QueuedExecution.model_validate(dict(row)) for row in claimed.mappings()]
