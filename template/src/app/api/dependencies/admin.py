"""What the routes of platform superusers ask for."""

from typing import Annotated

from fastapi import Depends

from app.api.dependencies.audit import ActorDep
from app.api.dependencies.components import ComponentsDep
from app.api.dependencies.sessions import DBSession
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.users import UserRepository
from app.repositories.public.workflow_executions import WorkflowExecutionRepository
from app.services.admin_service import AdminService
from app.services.audit_trail import AuditTrail


async def get_admin_service(
    session: DBSession, actor: ActorDep, components: ComponentsDep
) -> AdminService:
    """Return the rules for what superusers do to users."""
    return AdminService(
        UserRepository(session),
        MembershipRepository(session),
        components.access_tokens,
        AuditTrail(session, actor),
    )


async def get_workflow_execution_repository(session: DBSession) -> WorkflowExecutionRepository:
    """Return the requested background work."""
    return WorkflowExecutionRepository(session)


AdminServiceDep = Annotated[AdminService, Depends(get_admin_service)]
WorkflowExecutionRepositoryDep = Annotated[
    WorkflowExecutionRepository, Depends(get_workflow_execution_repository)
]
