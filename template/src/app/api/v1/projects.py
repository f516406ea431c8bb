"""Projects: the sample resource, made to be copied."""

from uuid import UUID

from app.api.dependencies.pages import PageRequestDep
from app.api.dependencies.projects import ProjectRepositoryDep, ProjectServiceDep
from app.api.problems import problems
from app.api.routing import APIRouter
from app.core.errors import NotFound, ProjectNameTaken, RoleRequired
from app.schemas.base import Page
from app.schemas.projects import ProjectCreate, ProjectRead, ProjectUpdate

router = APIRouter(prefix="/projects", tags=["projects"])


@router.get("")
async def list_projects(projects: ProjectRepositoryDep, page: PageRequestDep) -> Page[ProjectRead]:
    """Return the tenant's projects, newest first."""
    return await projects.page(page)


@router.post("", status_code=201, responses=problems(ProjectNameTaken))
async def create_project(body: ProjectCreate, service: ProjectServiceDep) -> ProjectRead:
    """Create a project in the caller's tenant."""
    return await service.create(body)


@router.get("/{project_id}", responses=problems(NotFound))
async def get_project(project_id: UUID, projects: ProjectRepositoryDep) -> ProjectRead:
    """Return one project."""
    return await projects.read(project_id)


@router.patch("/{project_id}", responses=problems(NotFound, RoleRequired, ProjectNameTaken))
async def update_project(
    project_id: UUID, body: ProjectUpdate, service: ProjectServiceDep
) -> ProjectRead:
    """Change the fields that are present in the body."""
    return await service.update(project_id, body)


@router.delete("/{project_id}", status_code=204, responses=problems(NotFound, RoleRequired))
async def delete_project(project_id: UUID, service: ProjectServiceDep) -> None:
    """Delete one project."""
    await service.delete(project_id)
