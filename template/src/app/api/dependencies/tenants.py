"""What the routes of tenants ask for, the current one's too."""

from typing import Annotated

from fastapi import Depends

from app.api.dependencies.admission import (
    Admitted,
    CurrentUser,
    OwnerUser,
    ValidatedTenant,
    VerifiedUser,
)
from app.api.dependencies.audit import ActorDep
from app.api.dependencies.components import ComponentsDep
from app.api.dependencies.requirements import Requirement, requires
from app.api.dependencies.sessions import DBSession
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.tenants import TenantRegistry
from app.services.acting_member import ActingMember
from app.services.audit_trail import AuditTrail
from app.services.tenant_creation import TenantCreation
from app.services.tenant_lifecycle import TenantLifecycle
from app.services.tenant_service import TenantService
from app.services.workflow_requests import WorkflowRequests


@requires(Requirement(personal=True))
async def get_founder(user: VerifiedUser) -> Admitted:
    """Return the signed-in caller, who may create tenants."""
    return user


@requires(Requirement(personal=True))
async def get_personal_owner(user: OwnerUser) -> Admitted:
    """Return the caller, an owner of the tenant and nobody who assumes the identity of one."""
    return user


async def get_acting_member(user: CurrentUser, tenant: ValidatedTenant) -> ActingMember:
    """Return the caller as a member of the request's tenant."""
    return ActingMember(user.id, tenant.id, tenant.role, assumed=user.assumed_by is not None)


async def get_tenant_registry(session: DBSession) -> TenantRegistry:
    """Return the tenants."""
    return TenantRegistry(session)


async def get_tenant_creation(session: DBSession, actor: ActorDep) -> TenantCreation:
    """Return the rules for new tenants."""
    return TenantCreation(session, AuditTrail(session, actor))


async def get_tenant_lifecycle(
    session: DBSession, actor: ActorDep, components: ComponentsDep
) -> TenantLifecycle:
    """Return the rules for the states of tenants."""
    return TenantLifecycle(
        TenantRegistry(session),
        WorkflowRequests(session),
        AuditTrail(session, actor),
        deletion_grace=components.settings.tenants.deletion_grace,
    )


Founder = Annotated[Admitted, Depends(get_founder)]
PersonalOwner = Annotated[Admitted, Depends(get_personal_owner)]
ActingMemberDep = Annotated[ActingMember, Depends(get_acting_member)]
TenantRegistryDep = Annotated[TenantRegistry, Depends(get_tenant_registry)]
TenantCreationDep = Annotated[TenantCreation, Depends(get_tenant_creation)]
TenantLifecycleDep = Annotated[TenantLifecycle, Depends(get_tenant_lifecycle)]


async def get_tenant_service(
    session: DBSession, lifecycle: TenantLifecycleDep, actor: ActorDep, caller: ActingMemberDep
) -> TenantService:
    """Return the rules for changes to the request's tenant."""
    return TenantService(
        TenantRegistry(session),
        MembershipRepository(session),
        lifecycle,
        AuditTrail(session, actor),
        caller,
    )


TenantServiceDep = Annotated[TenantService, Depends(get_tenant_service)]
