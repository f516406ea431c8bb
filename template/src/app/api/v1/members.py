"""The members of the current tenant."""

from uuid import UUID

from app.api.dependencies.admission import AdminUser, ValidatedTenant
from app.api.dependencies.members import LeftTenant, MemberServiceDep
from app.api.dependencies.pages import PageRequestDep
from app.api.dependencies.users import MembershipRepositoryDep
from app.api.problems import problems
from app.api.routing import APIRouter
from app.core.errors import AssumedIdentityForbidden, LastOwner, NotFound, RoleRequired
from app.schemas.base import Page
from app.schemas.members import MemberRead, MemberUpdate

router = APIRouter(prefix="/members", tags=["members"])


@router.get("")
async def list_members(
    tenant: ValidatedTenant, memberships: MembershipRepositoryDep, page: PageRequestDep
) -> Page[MemberRead]:
    """Return the tenant's members, last joined first."""
    return await memberships.page_of_tenant(tenant.id, page)


@router.patch(
    "/{user_id}", responses=problems(NotFound, RoleRequired, AssumedIdentityForbidden, LastOwner)
)
async def update_member(
    user_id: UUID, body: MemberUpdate, _user: AdminUser, service: MemberServiceDep
) -> MemberRead:
    """Give a member another role; only an owner makes or changes an owner."""
    return await service.change_role(user_id, body.role)


# Before the next route, which would take `me` for an id.
@router.delete("/me", status_code=204, responses=problems(NotFound, LastOwner))
async def leave_tenant(_tenant: LeftTenant, service: MemberServiceDep) -> None:
    """Leave the tenant; its last owner hands it over or deletes it first."""
    await service.leave()


@router.delete(
    "/{user_id}",
    status_code=204,
    responses=problems(NotFound, RoleRequired, AssumedIdentityForbidden, LastOwner),
)
async def remove_member(user_id: UUID, _user: AdminUser, service: MemberServiceDep) -> None:
    """Take a member out of the tenant; only an owner removes an owner."""
    await service.remove(user_id)
