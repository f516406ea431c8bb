"""Projects and their tasks: the sample resource, made to be copied."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from app.api.dependencies.admission import CurrentUser
from app.api.dependencies.pages import PageRequestDep
from app.api.dependencies.services import of_tenant
from app.api.problems import problems
from app.api.routing import APIRouter
from app.core.errors import NotFound, RoleRequired
from app.models.tenant.projects import Project, ProjectTask
from app.schemas.base import Page
from app.schemas.projects import (
    ProjectCreate,
    ProjectRead,
    ProjectTaskCreate,
    ProjectTaskRead,
    ProjectUpdate,
)
from app.services.project_service import (
    ProjectHasTasks,
    ProjectNameTaken,
    ProjectService,
    ProjectTaskService,
)

router = APIRouter(prefix="/projects", tags=["projects"])

Projects = Annotated[ProjectService, Depends(of_tenant(ProjectService))]
ProjectTasks = Annotated[ProjectTaskService, Depends(of_tenant(ProjectTaskService))]


@router.get("")
async def list_projects(projects: Projects, page: PageRequestDep) -> Page[ProjectRead]:
    """Return the tenant's projects, newest first."""
    return await projects.page(page)


@router.post("", status_code=201, responses=problems(ProjectNameTaken))
async def create_project(body: ProjectCreate, user: CurrentUser, projects: Projects) -> ProjectRead:
    """Create a project in the caller's tenant."""
    return await projects.create(Project(**body.model_dump(), created_by=user.id))


@router.get("/{project_id}", responses=problems(NotFound))
async def get_project(project_id: UUID, projects: Projects) -> ProjectRead:
    """Return one project."""
    return await projects.read(project_id)


@router.patch("/{project_id}", responses=problems(NotFound, RoleRequired, ProjectNameTaken))
async def update_project(project_id: UUID, body: ProjectUpdate, projects: Projects) -> ProjectRead:
    """Change the fields that are present in the body."""
    return await projects.update(project_id, body)


@router.delete(
    "/{project_id}",
    status_code=204,
    responses=problems(NotFound, RoleRequired, ProjectHasTasks),
)
async def delete_project(project_id: UUID, projects: Projects) -> None:
    """Delete one project, which has no tasks any more."""
    await projects.delete(project_id)


@router.get("/{project_id}/tasks", responses=problems(NotFound))
async def list_project_tasks(
    project_id: UUID, projects: Projects, tasks: ProjectTasks, page: PageRequestDep
) -> Page[ProjectTaskRead]:
    """Return a project's open tasks, newest first."""
    await projects.read(project_id)
    return await tasks.page(page, project_id=project_id)


@router.post("/{project_id}/tasks", status_code=201, responses=problems(NotFound))
async def create_project_task(
    project_id: UUID, body: ProjectTaskCreate, tasks: ProjectTasks
) -> ProjectTaskRead:
    """Add a task to a project."""
    return await tasks.create(ProjectTask(**body.model_dump(), project_id=project_id))


@router.delete("/{project_id}/tasks/{task_id}", status_code=204, responses=problems(NotFound))
async def delete_project_task(project_id: UUID, task_id: UUID, tasks: ProjectTasks) -> None:
    """Delete a task, because it is done or not needed any more."""
    await tasks.delete(task_id, project_id=project_id)
