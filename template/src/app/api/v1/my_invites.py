"""Invites to the signed-in user's verified address."""

from uuid import UUID

from app.api.dependencies.invites import Invitee, InviteRepositoryDep, OwnInvitesDep
from app.api.dependencies.pages import PageRequestDep
from app.api.problems import problems
from app.api.routing import APIRouter
from app.core.errors import (
    AlreadyMember,
    InviteNotPending,
    NotFound,
    TenantDeleted,
    TenantSuspended,
)
from app.schemas.base import Page
from app.schemas.invites import OwnInviteRead
from app.schemas.sessions import Tokens

router = APIRouter(prefix="/users/me/invites", tags=["invites"])


@router.get("")
async def list_my_invites(
    user: Invitee, invites: InviteRepositoryDep, page: PageRequestDep
) -> Page[OwnInviteRead]:
    """Return the invites that the user can accept, newest first."""
    return await invites.page_of_user(user.id, page)


@router.post(
    "/{invite_id}/accept",
    responses=problems(NotFound, InviteNotPending, TenantSuspended, TenantDeleted, AlreadyMember),
)
async def accept_my_invite(invite_id: UUID, user: Invitee, invites: OwnInvitesDep) -> Tokens:
    """Join the tenant and start a session in it."""
    return await invites.accept_own(invite_id, user.id, user.session_id)


@router.post(
    "/{invite_id}/decline", status_code=204, responses=problems(NotFound, InviteNotPending)
)
async def decline_my_invite(invite_id: UUID, user: Invitee, invites: OwnInvitesDep) -> None:
    """End an invite; the tenant's admins see that it was declined."""
    await invites.decline(invite_id, user.id)
