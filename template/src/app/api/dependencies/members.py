"""What the routes of members ask for."""

from typing import Annotated

from fastapi import Depends

from app.api.dependencies.admission import AdmittedTenant, ValidatedTenant
from app.api.dependencies.audit import ActorDep
from app.api.dependencies.components import ComponentsDep
from app.api.dependencies.requirements import Requirement, requires
from app.api.dependencies.sessions import DBSession
from app.api.dependencies.tenants import ActingMemberDep
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.refresh_tokens import RefreshTokenRepository
from app.repositories.public.tenant_invites import InviteRepository
from app.repositories.public.tenants import TenantRegistry
from app.repositories.public.users import UserRepository
from app.services.audit_trail import AuditTrail
from app.services.member_service import MemberService


@requires(Requirement(personal=True))
async def get_left_tenant(tenant: ValidatedTenant) -> AdmittedTenant:
    """Return the tenant that the caller leaves, in person."""
    return tenant


async def get_member_service(
    session: DBSession, actor: ActorDep, caller: ActingMemberDep, components: ComponentsDep
) -> MemberService:
    """Return the rules for changes to the tenant's members."""
    return MemberService(
        TenantRegistry(session),
        MembershipRepository(session),
        InviteRepository(session),
        UserRepository(session),
        RefreshTokenRepository(session),
        AuditTrail(session, actor),
        caller,
        access_ttl=components.settings.auth.access_ttl,
    )


LeftTenant = Annotated[AdmittedTenant, Depends(get_left_tenant)]
MemberServiceDep = Annotated[MemberService, Depends(get_member_service)]
