"""The signed-in user."""

from app.api.dependencies.admission import CurrentUser, PersonalUser
from app.api.dependencies.pages import PageRequestDep
from app.api.dependencies.users import (
    MembershipRepositoryDep,
    UserRepositoryDep,
    UserServiceDep,
)
from app.api.problems import problems
from app.api.routing import APIRouter
from app.core.errors import AssumedIdentityForbidden
from app.schemas.base import Page
from app.schemas.users import UserRead, UserTenant, UserUpdate

router = APIRouter(prefix="/users/me", tags=["users"])


@router.get("")
async def get_me(user: CurrentUser, users: UserRepositoryDep) -> UserRead:
    """Return the signed-in user."""
    return await users.read(user.id)


@router.patch("", responses=problems(AssumedIdentityForbidden))
async def update_me(body: UserUpdate, user: PersonalUser, service: UserServiceDep) -> UserRead:
    """Change the fields that are present in the body."""
    return await service.update(user.id, body)


@router.get("/tenants")
async def list_my_tenants(
    user: CurrentUser, memberships: MembershipRepositoryDep, page: PageRequestDep
) -> Page[UserTenant]:
    """Return the tenants that the user belongs to, last joined first."""
    return await memberships.page_of_user(user.id, page)
