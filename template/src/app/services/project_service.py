"""Changes to projects: who may make them, and the audit trail."""

from uuid import UUID

from app.core.errors import RoleRequired
from app.core.roles import Role
from app.models.tenant.projects import Project
from app.repositories.tenant.projects import ProjectRepository
from app.schemas.projects import ProjectCreate, ProjectRead, ProjectUpdate
from app.services.audit_trail import AuditTrail


class ProjectService:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(
        self, projects: ProjectRepository, audit: AuditTrail, *, user_id: UUID, role: Role
    ) -> None:
        self.projects = projects
        self.audit = audit
        self.user_id = user_id
        self.role = role

    async def create(self, data: ProjectCreate) -> ProjectRead:
        """Create a project in the current tenant.

        Raises:
            ProjectNameTaken: it has one with exactly this name.
        """
        project = await self.projects.add(Project(**data.model_dump(), created_by=self.user_id))
        created = _read(project)
        await self.audit.record("project.created", "project", project.id, after=created)
        return created

    async def update(self, id: UUID, data: ProjectUpdate) -> ProjectRead:
        """Change the fields that are present in `data`.

        Raises:
            NotFound: the tenant has no such project.
            RoleRequired: somebody else created it, and the caller is no admin.
            ProjectNameTaken: another project has the new name.
        """
        project = await self._own(id)
        before = _read(project)
        after = _read(await self.projects.update(project, data.model_dump(exclude_unset=True)))
        if after != before:
            await self.audit.record("project.updated", "project", id, before=before, after=after)
        return after

    async def delete(self, id: UUID) -> None:
        """Delete a project.

        Raises:
            NotFound: the tenant has no such project.
            RoleRequired: somebody else created it, and the caller is no admin.
        """
        project = await self._own(id)
        await self.projects.remove(project)
        await self.audit.record("project.deleted", "project", id, before=_read(project))

    async def _own(self, id: UUID) -> Project:
        project = await self.projects.get(id)
        if project.created_by != self.user_id and not self.role.at_least(Role.ADMIN):
            raise RoleRequired("Only an admin changes what somebody else created.")
        return project


def _read(project: Project) -> ProjectRead:
    return ProjectRead.model_validate(project, from_attributes=True)
