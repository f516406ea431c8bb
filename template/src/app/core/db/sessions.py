"""What repositories work with: the lobby's session and the tenant's, in one transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from sqlalchemy import Executable, Result, ScalarResult, Select
from sqlmodel import SQLModel

from app.core.db.query import Query
from app.core.db.unit_of_work import Effect, Side, UnitOfWork


class Session:
    """Statements with the rights of one side. It cannot commit: `Database` does (ADR 0003)."""

    side: ClassVar[Side]

    def __init__(self, unit: UnitOfWork) -> None:
        self.unit = unit

    async def rows[T](self, query: Query[T], **values: Any) -> list[T]:
        """Return every row of `query`."""
        return query.read(await self.unit.fetch(self.side, query.sql, query.arguments(values)))

    async def row[T](self, query: Query[T], **values: Any) -> T | None:
        """Return the first row of `query`, or `None`."""
        found = await self.rows(query, **values)
        return found[0] if found else None

    async def execute(self, statement: Executable) -> Result[Any]:
        """Run a statement that is built per call, for filters that vary, and for bulk changes."""
        orm = await self.unit.orm(self.side)
        return await orm.execute(statement)

    async def scalar[T](self, statement: Select[T]) -> T | None:
        """Return the first column of the first row, or `None`."""
        return (await self._scalars(statement)).first()

    async def scalars[T](self, statement: Select[T]) -> list[T]:
        """Return the first column of every row; of a model each row once, whatever is joined."""
        return list(await self._scalars(statement))

    async def _scalars[T](self, statement: Select[T]) -> ScalarResult[T]:
        orm = await self.unit.orm(self.side)
        found = await orm.scalars(statement)
        # A joined collection repeats its owner.
        is_model = isinstance(statement.column_descriptions[0]["expr"], type)
        return found.unique() if is_model else found

    async def add(self, row: SQLModel) -> None:
        """Insert `row` now."""
        orm = await self.unit.orm(self.side)
        orm.add(row)
        await orm.flush()

    async def remove(self, row: SQLModel) -> None:
        """Delete `row` now."""
        orm = await self.unit.orm(self.side)
        await orm.delete(row)
        await orm.flush()

    async def flush(self) -> None:
        """Send the changes made to loaded rows now."""
        orm = await self.unit.orm(self.side)
        await orm.flush()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo what the block did if it raises, and keep the transaction usable."""
        orm = await self.unit.orm(self.side)
        try:
            async with orm.begin_nested():
                yield
        except BaseException:
            # The savepoint's rollback undid a change of rights inside it as well.
            self.unit.side = self.side
            raise

    def after_commit(self, effect: Effect) -> None:
        """Run `effect` once the transaction has committed; see `UnitOfWork.after_commit`."""
        self.unit.after_commit(effect)


class LobbySession(Session):
    """The shared tables in `public`."""

    side = Side.LOBBY


class TenantSession(Session):
    """The tables of the tenant that was entered, and no others."""

    side = Side.TENANT
