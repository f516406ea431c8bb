"""How the members of the current tenant have to sign in."""

from app.api.dependencies.admission import ValidatedTenant
from app.api.dependencies.tenant_sign_in import TenantSignInServiceDep
from app.api.dependencies.tenants import PersonalOwner
from app.api.problems import problems
from app.api.routing import APIRouter
from app.core.errors import AssumedIdentityForbidden, RoleRequired
from app.core.sign_in_rule_errors import ProviderRequired
from app.schemas.tenant_sign_in import SignInRule

router = APIRouter(prefix="/tenant/sign-in", tags=["tenant"])


@router.get("")
async def get_sign_in_rule(_tenant: ValidatedTenant, service: TenantSignInServiceDep) -> SignInRule:
    """Return how members sign in."""
    return await service.read()


@router.put("", responses=problems(RoleRequired, AssumedIdentityForbidden, ProviderRequired))
async def set_sign_in_rule(
    body: SignInRule, user: PersonalOwner, service: TenantSignInServiceDep
) -> SignInRule:
    """Require the identity provider, or leave the choice to members. Sessions begun with a password end."""
    return await service.change(body, session_id=user.session_id)
