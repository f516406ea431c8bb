"""What the routes of invites ask for."""

from typing import Annotated

from fastapi import Depends

from app.api.dependencies.admission import AdminUser, Admitted, VerifiedUser
from app.api.dependencies.audit import ActorDep
from app.api.dependencies.auth import IdentityDep
from app.api.dependencies.components import ComponentsDep
from app.api.dependencies.requirements import Requirement, requires
from app.api.dependencies.sessions import DBSession
from app.api.dependencies.tenants import ActingMemberDep
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.tenant_invites import InviteRepository
from app.repositories.public.tenants import TenantRegistry
from app.services.audit_trail import AuditTrail
from app.services.invite_acceptance import InviteAcceptance
from app.services.invite_service import InviteService
from app.services.own_invites import OwnInvites
from app.services.workflow_requests import WorkflowRequests


@requires(Requirement(personal=True))
async def get_inviter(user: AdminUser) -> Admitted:
    """Return the caller, an admin of the tenant and nobody who assumes the identity of one."""
    return user


@requires(Requirement(personal=True))
async def get_invitee(user: VerifiedUser) -> Admitted:
    """Return the signed-in caller, who may be invited: their address is verified."""
    return user


async def get_invite_repository(session: DBSession) -> InviteRepository:
    """Return the invites for display."""
    return InviteRepository(session)


async def get_invite_service(
    session: DBSession, actor: ActorDep, caller: ActingMemberDep, components: ComponentsDep
) -> InviteService:
    """Return the rules for changes to the tenant's invites."""
    return InviteService(
        TenantRegistry(session),
        InviteRepository(session),
        MembershipRepository(session),
        WorkflowRequests(session),
        AuditTrail(session, actor),
        caller,
        ttl=components.settings.auth.invite_ttl,
    )


async def get_invite_acceptance(session: DBSession, identity: IdentityDep) -> InviteAcceptance:
    """Return the rules for holders of an invite's token."""
    return InviteAcceptance(session, identity)


async def get_own_invites(session: DBSession, identity: IdentityDep) -> OwnInvites:
    """Return the rules for invites to the caller's address."""
    return OwnInvites(session, identity)


Inviter = Annotated[Admitted, Depends(get_inviter)]
Invitee = Annotated[Admitted, Depends(get_invitee)]
InviteRepositoryDep = Annotated[InviteRepository, Depends(get_invite_repository)]
InviteServiceDep = Annotated[InviteService, Depends(get_invite_service)]
InviteAcceptanceDep = Annotated[InviteAcceptance, Depends(get_invite_acceptance)]
OwnInvitesDep = Annotated[OwnInvites, Depends(get_own_invites)]
