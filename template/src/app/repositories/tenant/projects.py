"""Projects of the entered tenant."""

from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlmodel import col

from app.core.db.query import Query
from app.core.errors import NotFound, ProjectNameTaken
from app.models.tenant.projects import Project
from app.repositories.base import TenantRepository
from app.repositories.pages import Pages
from app.schemas.base import Page, PageRequest
from app.schemas.projects import ProjectRead

_ONE: Final = Query(select(Project).where(col(Project.id) == bindparam("id")), ProjectRead)

_NEWEST: Final = Pages(select(Project), ProjectRead, at=col(Project.created_at), id=col(Project.id))


class ProjectRepository(TenantRepository[Project]):
    model = Project
    conflicts = {"uq_projects_name": ProjectNameTaken}

    async def page(self, request: PageRequest) -> Page[ProjectRead]:
        """Return projects, newest first."""
        return await _NEWEST.read(self.session, request)

    async def read(self, id: UUID) -> ProjectRead:
        """Return one project for display.

        Raises:
            NotFound: this tenant has none with that id.
        """
        row = await self.session.row(_ONE, id=id)
        if row is None:
            raise NotFound
        return row
