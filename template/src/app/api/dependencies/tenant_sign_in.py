"""What the routes of a tenant's rule to sign in ask for."""

from typing import Annotated

from fastapi import Depends

from app.api.dependencies.audit import ActorDep
from app.api.dependencies.sessions import DBSession
from app.api.dependencies.tenants import ActingMemberDep
from app.services.audit_trail import AuditTrail
from app.services.tenant_sign_in_service import TenantSignInService


async def get_tenant_sign_in_service(
    session: DBSession, actor: ActorDep, caller: ActingMemberDep
) -> TenantSignInService:
    """Return the rules for changes to how members sign in."""
    return TenantSignInService(session, AuditTrail(session, actor), caller)


TenantSignInServiceDep = Annotated[TenantSignInService, Depends(get_tenant_sign_in_service)]
