"""What every repository can do."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, inspect, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.attributes import flag_modified
from sqlmodel import SQLModel

from app.core.db.failures import constraint_of, is_referred_to
from app.core.db.query import Query
from app.core.db.sessions import LobbySession, Session, TenantSession
from app.core.errors import AppError, NotFound, StillReferenced
from app.repositories.pages import Pages
from app.schemas.base import Page, PageRequest


class Repository[S: Session, M: SQLModel]:
    """Queries for one table. It flushes and never commits (ADR 0003).

    `conflicts` names the error of each constraint: the database decides, nothing is looked up before.
    """

    model: type[M]
    conflicts: Mapping[str, type[AppError]] = {}

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
        # Of this table alone: what a relationship joins is not locked, and an outer join could not be.
        query = select(self.model).where(key == id).with_for_update(of=self.model)
        return await self.session.scalar(query)

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
            if isinstance(value, dict | list) and value is getattr(row, name):
                # Changed in place: SQLAlchemy compares the object with itself.
                flag_modified(row, name)
            setattr(row, name, value)
        try:
            await self.session.flush()
        except IntegrityError as exc:
            self._raise_conflict(exc)
        return row

    async def remove(self, row: M) -> None:
        """Delete `row` now.

        Raises:
            StillReferenced: other rows refer to it, and `conflicts` has no error for that.
        """
        try:
            await self.session.remove(row)
        except IntegrityError as exc:
            if constraint_of(exc) not in self.conflicts and is_referred_to(exc):
                raise StillReferenced from exc
            self._raise_conflict(exc)

    def _raise_conflict(self, exc: IntegrityError) -> None:
        error = self.conflicts.get(constraint_of(exc) or "")
        raise error() if error else exc from exc


class LobbyRepository[M: SQLModel](Repository[LobbySession, M]):
    """Queries for a shared table; what belongs to a tenant is asked for by the tenant's id."""


class TenantRepository[M: SQLModel](Repository[TenantSession, M]):
    """Queries for a table of the tenant that was entered; no other tenant can be named."""


class ShownRows[M: SQLModel, R: BaseModel](TenantRepository[M]):
    """The rows of a table, and what clients see of them: `R`, by the names of the columns.

    `where` names columns and the values that a row must have.
    """

    def __init__(
        self,
        session: TenantSession,
        model: type[M],
        shown: type[R],
        conflicts: Mapping[str, type[AppError]] | None = None,
    ) -> None:
        super().__init__(session)
        self.model = model
        self.shown = shown
        self.conflicts = conflicts or {}

    async def page(self, request: PageRequest, **where: Any) -> Page[R]:
        """Return rows, newest first by `created_at`; a condition that is `None` is left out."""
        values = {name: value for name, value in where.items() if value is not None}
        pages: Pages[R] = _pages(self.model, self.shown, frozenset(values))
        return await pages.read(self.session, request, **values)

    async def read(self, id: UUID, **where: Any) -> R:
        """Return one row.

        Raises:
            NotFound: there is none.
        """
        query: Query[R] = _query(self.model, self.shown, frozenset(where))
        row = await self.session.row(query, id=id, **where)
        if row is None:
            raise NotFound
        return row


@cache
def _pages(model: type[SQLModel], shown: type[Any], names: frozenset[str]) -> Pages[Any]:
    table = inspect(model).local_table
    filters = {name: table.c[name] == bindparam(name) for name in names}
    return Pages(select(*table.c), shown, at=table.c.created_at, id=table.c.id, filters=filters)


@cache
def _query(model: type[SQLModel], shown: type[Any], names: frozenset[str]) -> Query[Any]:
    table = inspect(model).local_table
    conditions = [table.c[name] == bindparam(name) for name in sorted({"id", *names})]
    return Query(select(*table.c).where(*conditions), shown)
