"""What every repository can do."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from app.core.db.failures import constraint_of
from app.core.db.sessions import LobbySession, Session, TenantSession
from app.core.errors import AppError, NotFound


class Repository[S: Session, M: SQLModel]:
    """Queries for one table. It flushes and never commits (ADR 0003).

    `conflicts` names the error of each constraint: the database decides, nothing is looked up before.
    """

    model: type[M]
    conflicts: ClassVar[Mapping[str, type[AppError]]] = {}

    def __init__(self, session: S) -> None:
        self.session = session

    async def get(self, id: UUID) -> M:
        """Return the row to change it.

        Raises:
            NotFound: there is none.
        """
        row = await self.find(id)
        if row is None:
            raise NotFound
        return row

    async def find(self, id: UUID) -> M | None:
        """Return the row to change it, locked until the transaction ends, or `None`."""
        key: Any = self.model.__mapper__.primary_key[0]  # type: ignore[attr-defined]  # SQLModel's stubs omit it
        return await self.session.scalar(select(self.model).where(key == id).with_for_update())

    async def add(self, row: M) -> M:
        """Insert `row` now, so that a violated constraint is this caller's error."""
        try:
            await self.session.add(row)
        except IntegrityError as exc:
            self._raise_conflict(exc)
        return row

    async def update(self, row: M, changes: Mapping[str, object]) -> M:
        """Apply `changes` to `row` and write them now."""
        for name, value in changes.items():
            setattr(row, name, value)
        try:
            await self.session.flush()
        except IntegrityError as exc:
            self._raise_conflict(exc)
        return row

    async def remove(self, row: M) -> None:
        """Delete `row` now."""
        await self.session.remove(row)

    def _raise_conflict(self, exc: IntegrityError) -> None:
        error = self.conflicts.get(constraint_of(exc) or "")
        raise error() if error else exc from exc


class LobbyRepository[M: SQLModel](Repository[LobbySession, M]):
    """Queries for a shared table; what belongs to a tenant is asked for by the tenant's id."""


class TenantRepository[M: SQLModel](Repository[TenantSession, M]):
    """Queries for a table of the tenant that was entered; no other tenant can be named."""
