"""Requested background work as a queue that any number of processes reads."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from app.core.db.sessions import LobbySession
from app.models.public.workflow_claims import WorkflowClaim
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind
from app.repositories.public.workflow_queue import IS_OPEN, turn


class Claimed(BaseModel):
    """An execution that is this process's to carry out."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    kind: WorkflowKind
    attempt: int
    """Counts from 1."""


class WorkflowClaims:
    """Rows that another process is looking at are passed over, not waited for. The clock is PostgreSQL's."""

    def __init__(self, session: LobbySession, holder: UUID) -> None:
        self.session = session
        self.holder = holder

    async def claim(
        self,
        limit: int,
        lease: timedelta,
        *,
        kinds: Collection[WorkflowKind] = tuple(WorkflowKind),
        but: Collection[UUID] = (),
    ) -> list[Claimed]:
        """Take open executions that are due and in nobody's hands, `but` those that the holder has itself.

        The oldest come first, tenants in turns.
        """
        due = _due(kinds, but).limit(limit)
        found = {row.id: row.kind for row in await self.session.execute(due)}
        if not found:
            return []
        values = {"holder": self.holder, "due_at": func.now() + lease}
        claim = insert(WorkflowClaim).values(
            [{"execution_id": id, "attempts": 1, **values} for id in found]
        )
        claimed = await self.session.execute(
            claim.on_conflict_do_update(
                index_elements=[col(WorkflowClaim.execution_id)],
                set_={"attempts": col(WorkflowClaim.attempts) + 1, **values},
                # Somebody may have taken it between our snapshot and our lock.
                where=col(WorkflowClaim.due_at) <= func.now(),
            ).returning(col(WorkflowClaim.execution_id), col(WorkflowClaim.attempts))
        )
        return [
            Claimed(id=row.execution_id, kind=found[row.execution_id], attempt=row.attempts)
            for row in claimed
        ]

    async def extend(self, ids: Sequence[UUID], lease: timedelta) -> set[UUID]:
        """Keep executions for longer, and return those that are still this process's."""
        kept = await self.session.execute(
            update(WorkflowClaim)
            .where(
                col(WorkflowClaim.execution_id).in_(ids), col(WorkflowClaim.holder) == self.holder
            )
            .values(due_at=func.now() + lease)
            .returning(col(WorkflowClaim.execution_id))
        )
        return set(kept.scalars())

    async def put_back(self, id: UUID, after: timedelta, *, uncounted: bool) -> None:
        """Make an execution due again `after` a while, for anybody; `uncounted` if nothing was attempted."""
        await self.session.execute(
            update(WorkflowClaim)
            .where(col(WorkflowClaim.execution_id) == id, col(WorkflowClaim.holder) == self.holder)
            .values(
                holder=None,
                due_at=func.now() + after,
                attempts=col(WorkflowClaim.attempts) - (1 if uncounted else 0),
            )
        )

    async def drop(self, id: UUID) -> None:
        """Forget an execution that has ended."""
        await self.session.execute(
            delete(WorkflowClaim).where(
                col(WorkflowClaim.execution_id) == id, col(WorkflowClaim.holder) == self.holder
            )
        )


def _due(kinds: Collection[WorkflowKind], but: Collection[UUID]) -> Select[UUID, WorkflowKind]:
    id, claim = col(WorkflowExecution.id), col(WorkflowClaim.execution_id)
    is_due = col(WorkflowClaim.due_at).is_(None) | (col(WorkflowClaim.due_at) <= func.now())
    # What somebody has in hand counts as well, or a tenant would have the first turn again and again.
    turns = (
        select(id.label("id"), turn().label("turn"))
        .outerjoin(WorkflowClaim, claim == id)
        .where(
            IS_OPEN,
            col(WorkflowExecution.kind).in_(kinds),
            is_due | col(WorkflowClaim.holder).is_not(None),
        )
        .subquery()
    )
    return (
        select(id, col(WorkflowExecution.kind))
        .join(turns, turns.c.id == id)
        .outerjoin(WorkflowClaim, claim == id)
        .where(IS_OPEN, is_due, id.not_in(but))
        .order_by(turns.c.turn, id)
        .with_for_update(of=WorkflowExecution, skip_locked=True)
    )
