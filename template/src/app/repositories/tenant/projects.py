"""Projects of the entered tenant."""

from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select, tuple_
from sqlmodel import col

from app.core.db.query import Query
from app.core.errors import NotFound, ProjectNameTaken
from app.models.tenant.projects import Project
from app.repositories.base import TenantRepository
from app.schemas.base import Page, PageRequest, Position
from app.schemas.projects import ProjectRead

_ONE: Final = Query(select(Project).where(col(Project.id) == bindparam("id")), ProjectRead)

_NEWEST: Final = Query(
    select(Project)
    .where(
        tuple_(col(Project.created_at), col(Project.id)) < tuple_(bindparam("at"), bindparam("id"))
    )
    .order_by(col(Project.created_at).desc(), col(Project.id).desc())
    .limit(bindparam("n")),
    ProjectRead,
)


class ProjectRepository(TenantRepository[Project]):
    model = Project
    conflicts = {"uq_projects_name": ProjectNameTaken}

    async def page(self, request: PageRequest) -> Page[ProjectRead]:
        """Return projects, newest first."""
        rows = await self.session.rows(_NEWEST, **request.values())
        return Page.of(rows, request.limit, lambda row: Position(row.created_at, row.id))

    async def read(self, id: UUID) -> ProjectRead:
        """Return one project for display.

        Raises:
            NotFound: this tenant has none with that id.
        """
        row = await self.session.row(_ONE, id=id)
        if row is None:
            raise NotFound
        return row
