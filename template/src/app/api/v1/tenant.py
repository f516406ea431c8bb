"""The current tenant."""

from app.api.dependencies.admission import AdminUser, CurrentUser, ValidatedTenant
from app.api.dependencies.tenants import PersonalOwner, TenantRegistryDep, TenantServiceDep
from app.api.problems import problems
from app.api.routing import APIRouter
from app.core.errors import (
    AssumedIdentityForbidden,
    RoleRequired,
    SlugNotConfirmed,
    SlugTaken,
    TransitionNotAllowed,
)
from app.schemas.tenants import TenantDelete, TenantRead, TenantUpdate

router = APIRouter(prefix="/tenant", tags=["tenant"])


@router.get("")
async def get_current_tenant(
    user: CurrentUser, tenant: ValidatedTenant, tenants: TenantRegistryDep
) -> TenantRead:
    """Return the tenant that the request names."""
    return await tenants.read(tenant.id, user_id=user.id)


@router.patch("", responses=problems(RoleRequired, AssumedIdentityForbidden, SlugTaken))
async def update_tenant(
    body: TenantUpdate, _user: AdminUser, service: TenantServiceDep
) -> TenantRead:
    """Change the fields that are present in the body; only an owner changes the slug.

    After a new slug, access tokens go on naming the old one until they are refreshed.
    """
    return await service.update(body)


@router.delete(
    "",
    status_code=202,
    responses=problems(
        RoleRequired, AssumedIdentityForbidden, SlugNotConfirmed, TransitionNotAllowed
    ),
)
async def delete_tenant(
    body: TenantDelete, _user: PersonalOwner, service: TenantServiceDep
) -> TenantRead:
    """Close the tenant; its data is dropped when the grace period ends."""
    return await service.delete(body)
