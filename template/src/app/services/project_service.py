"""Projects and their tasks: who changes what, and what the database refuses."""

from app.core.errors import AppError, NotFound, RoleRequired
from app.core.roles import Role
from app.models.tenant.projects import Project, ProjectTask
from app.schemas.projects import ProjectRead, ProjectTaskRead
from app.services.base import TenantService


class ProjectNameTaken(AppError):
    status, code, title = 409, "project-name-taken", "Another project has this name"


class ProjectHasTasks(AppError):
    status, code, title = 409, "project-has-tasks", "The project still has tasks"


class ProjectService(TenantService[Project, ProjectRead]):
    model, shown, entity = Project, ProjectRead, "project"
    conflicts = {
        "uq_projects_name": ProjectNameTaken,
        "fk_project_tasks_project_id": ProjectHasTasks,
    }

    async def check_change(self, row: Project) -> None:
        """Refuse a change of what somebody else created, unless the caller is an admin.

        Raises:
            RoleRequired: neither holds.
        """
        if row.created_by != self.actor.user_id and not self.actor.is_at_least(Role.ADMIN):
            raise RoleRequired("Only an admin changes what somebody else created.")


class ProjectTaskService(TenantService[ProjectTask, ProjectTaskRead]):
    model, shown, entity = ProjectTask, ProjectTaskRead, "project_task"
    conflicts = {"fk_project_tasks_project_id": NotFound}
