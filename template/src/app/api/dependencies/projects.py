"""What the routes of projects ask for."""

from typing import Annotated

from fastapi import Depends

from app.api.dependencies.admission import CurrentUser, ValidatedTenant
from app.api.dependencies.audit import ActorDep
from app.api.dependencies.sessions import TenantDBSession
from app.repositories.tenant.projects import ProjectRepository
from app.services.audit_trail import AuditTrail
from app.services.project_service import ProjectService


async def get_project_repository(session: TenantDBSession) -> ProjectRepository:
    """Return the projects of the request's tenant."""
    return ProjectRepository(session)


async def get_project_service(
    session: TenantDBSession, user: CurrentUser, tenant: ValidatedTenant, actor: ActorDep
) -> ProjectService:
    """Return the rules for changes to projects."""
    return ProjectService(
        ProjectRepository(session),
        AuditTrail(session, actor),
        user_id=user.id,
        role=tenant.role,
    )


ProjectRepositoryDep = Annotated[ProjectRepository, Depends(get_project_repository)]
ProjectServiceDep = Annotated[ProjectService, Depends(get_project_service)]
