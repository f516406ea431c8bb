"""The signed-in user."""

from fastapi import APIRouter

from app.api.dependencies.admission import CurrentUser
from app.api.dependencies.attempts import AttemptsDep
from app.api.dependencies.pages import PageRequestDep
from app.api.dependencies.users import (
    HashingUser,
    MembershipRepositoryDep,
    OwnAuthServiceDep,
    UserRepositoryDep,
    UserServiceDep,
)
from app.api.problems import problems
from app.core.errors import (
    AssumedIdentityForbidden,
    InvalidCredentials,
    PasswordTooWeak,
    RateLimited,
)
from app.schemas.base import Page
from app.schemas.users import PasswordChange, UserRead, UserTenant, UserUpdate

router = APIRouter(prefix="/users/me", tags=["users"])


@router.get("")
async def get_me(user: CurrentUser, users: UserRepositoryDep) -> UserRead:
    """Return the signed-in user."""
    return await users.read(user.id)


@router.patch("")
async def update_me(body: UserUpdate, user: CurrentUser, service: UserServiceDep) -> UserRead:
    """Change the fields that are present in the body."""
    return await service.update(user.id, body)


@router.post(
    "/password",
    status_code=204,
    responses=problems(InvalidCredentials, AssumedIdentityForbidden, PasswordTooWeak, RateLimited),
)
async def change_password(
    body: PasswordChange, user: HashingUser, attempts: AttemptsDep, service: OwnAuthServiceDep
) -> None:
    """Set a new password and end the user's other sessions."""
    await attempts.password(user.id)
    await service.change_password(user.id, body, current_session=user.session_id)


@router.get("/tenants")
async def list_my_tenants(
    user: CurrentUser, memberships: MembershipRepositoryDep, page: PageRequestDep
) -> Page[UserTenant]:
    """Return the tenants that the user belongs to, last joined first."""
    return await memberships.page_of_user(user.id, page)
