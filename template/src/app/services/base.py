"""What every service for one table of a tenant can do."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import inspect
from sqlmodel import SQLModel

from app.core.db.sessions import TenantSession
from app.core.errors import AppError, NotFound
from app.repositories.base import ShownRows
from app.schemas.base import Body, Page, PageRequest
from app.services.audit_trail import Actor, AuditTrail


class TenantService[M: SQLModel, R: BaseModel]:
    """The rows of one table of the entered tenant, as clients see them; each change is audited.

    `where` names columns and the values that a row must have, such as the parent's id in the path: another row is not
    found. Works inside the caller's transaction; never commits (ADR 0003).
    """

    model: type[M]
    shown: type[R]
    entity: str
    """What the audit trail calls a row."""
    conflicts: ClassVar[Mapping[str, type[AppError]]] = {}
    """The error of each constraint: the database decides, nothing is looked up before."""

    def __init__(self, session: TenantSession, actor: Actor) -> None:
        self.session = session
        self.actor = actor
        self.rows = ShownRows(session, self.model, self.shown, self.conflicts)
        self.audit = AuditTrail(session, actor)

    async def page(self, request: PageRequest, **where: Any) -> Page[R]:
        """Return rows, newest first; a condition that is `None` is left out."""
        return await self.rows.page(request, **where)

    async def read(self, id: UUID, **where: Any) -> R:
        """Return one row.

        Raises:
            NotFound: the tenant has none.
        """
        return await self.rows.read(id, **where)

    async def create(self, row: M) -> R:
        """Insert `row`.

        Raises:
            AppError: of `conflicts`.
        """
        created = self._shown(await self.rows.add(row))
        [id] = inspect(row).identity
        await self._record("created", id, after=created)
        return created

    async def update(self, id: UUID, data: Body, **where: Any) -> R:
        """Change the fields that are present in `data`.

        Raises:
            NotFound: the tenant has no such row.
            AppError: of `conflicts`, or of `check_change`.
        """
        row = await self._changeable(id, where)
        before = self._shown(row)
        after = self._shown(await self.rows.update(row, data.model_dump(exclude_unset=True)))
        if after != before:
            await self._record("updated", id, before=before, after=after)
        return after

    async def delete(self, id: UUID, **where: Any) -> None:
        """Delete a row.

        Raises:
            NotFound: the tenant has no such row.
            StillReferenced: other rows refer to it, and `conflicts` has no error for that.
            AppError: of `conflicts`, or of `check_change`.
        """
        row = await self._changeable(id, where)
        await self.rows.remove(row)
        await self._record("deleted", id, before=self._shown(row))

    async def check_change(self, row: M) -> None:
        """Refuse a change or the deletion of `row` by raising an error; override it with a rule."""

    async def _changeable(self, id: UUID, where: Mapping[str, Any]) -> M:
        row = await self.rows.get(id)
        if any(getattr(row, name) != value for name, value in where.items()):
            raise NotFound
        await self.check_change(row)
        return row

    async def _record(
        self, action: str, id: UUID, before: R | None = None, after: R | None = None
    ) -> None:
        action = f"{self.entity}.{action}"
        await self.audit.record(action, self.entity, id, before=before, after=after)

    def _shown(self, row: M) -> R:
        return self.shown.model_validate(row, from_attributes=True)
