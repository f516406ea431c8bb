"""Invites: what the tenant's admins send, and what the invited do with them."""

from uuid import UUID

from fastapi import APIRouter

from app.api.dependencies.admission import AdminUser, ValidatedTenant
from app.api.dependencies.attempts import AttemptsDep
from app.api.dependencies.invites import (
    InviteAcceptanceDep,
    InvitedUser,
    Inviter,
    InviteRepositoryDep,
    InviteServiceDep,
    InviteSignUpDep,
)
from app.api.dependencies.pages import PageRequestDep
from app.api.problems import problems
from app.core.errors import (
    AlreadyMember,
    AssumedIdentityForbidden,
    InviteNotPending,
    InviteOfOtherAddress,
    InvitePending,
    NotFound,
    PasswordTooWeak,
    RateLimited,
    RoleRequired,
    TenantDeleted,
    TenantSuspended,
    TokenInvalid,
    Unauthenticated,
)
from app.schemas.auth import TokenBody
from app.schemas.base import Page
from app.schemas.invites import InviteAccept, InviteCreate, InvitePreview, InviteRead
from app.schemas.sessions import Tokens

router = APIRouter(prefix="/invites", tags=["invites"])


@router.post(
    "",
    status_code=201,
    responses=problems(RoleRequired, AssumedIdentityForbidden, InvitePending, AlreadyMember),
)
async def create_invite(
    body: InviteCreate, _user: Inviter, service: InviteServiceDep
) -> InviteRead:
    """Invite an address, which gets a mail; only an owner invites an owner."""
    return await service.create(body)


@router.get("")
async def list_invites(
    _user: AdminUser, tenant: ValidatedTenant, invites: InviteRepositoryDep, page: PageRequestDep
) -> Page[InviteRead]:
    """Return the tenant's invites, newest first."""
    return await invites.page(tenant.id, page)


@router.post("/lookup", responses=problems(TokenInvalid, RateLimited))
async def look_up_invite(
    body: TokenBody, attempts: AttemptsDep, acceptance: InviteAcceptanceDep
) -> InvitePreview:
    """Return what the token from the mail offers to whom."""
    await attempts.token()
    return await acceptance.preview(body.token.get_secret_value())


@router.post(
    "/accept",
    responses=problems(
        TokenInvalid,
        Unauthenticated,
        InviteOfOtherAddress,
        AssumedIdentityForbidden,
        TenantSuspended,
        TenantDeleted,
        AlreadyMember,
        PasswordTooWeak,
        RateLimited,
    ),
)
async def accept_invite(
    body: InviteAccept,
    user: InvitedUser,
    attempts: AttemptsDep,
    acceptance: InviteAcceptanceDep,
    sign_up: InviteSignUpDep,
) -> Tokens:
    """Join the tenant and start a session in it: signed in, or as a new user with a password and a name."""
    await attempts.token()
    if user is None:
        return await sign_up.accept(body)
    return await acceptance.accept(body.token.get_secret_value(), user.id)


@router.get("/{invite_id}", responses=problems(NotFound))
async def get_invite(
    invite_id: UUID, _user: AdminUser, tenant: ValidatedTenant, invites: InviteRepositoryDep
) -> InviteRead:
    """Return one invite."""
    return await invites.read(tenant.id, invite_id)


@router.delete(
    "/{invite_id}",
    status_code=204,
    responses=problems(NotFound, RoleRequired, AssumedIdentityForbidden, InviteNotPending),
)
async def cancel_invite(invite_id: UUID, _user: Inviter, service: InviteServiceDep) -> None:
    """Cancel a pending invite."""
    await service.cancel(invite_id)


@router.post(
    "/{invite_id}/resend",
    responses=problems(NotFound, RoleRequired, AssumedIdentityForbidden, InviteNotPending),
)
async def resend_invite(invite_id: UUID, _user: Inviter, service: InviteServiceDep) -> InviteRead:
    """Send the mail of a pending invite again; its time begins anew."""
    return await service.resend(invite_id)
