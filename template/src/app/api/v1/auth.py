"""Registration, sign-in and sessions."""

from uuid import UUID

from fastapi import APIRouter

from app.api.dependencies.admission import CurrentUser, PersonalUser
from app.api.dependencies.attempts import AttemptsDep
from app.api.dependencies.auth import (
    AuthServiceDep,
    PasswordServiceDep,
    RegistrationServiceDep,
    SessionRepositoryDep,
    SessionServiceDep,
)
from app.api.dependencies.pages import PageRequestDep
from app.api.problems import problems
from app.core.errors import (
    AssumedIdentityForbidden,
    InvalidCredentials,
    NotFound,
    PasswordTooWeak,
    RateLimited,
    RefreshTokenInvalid,
    SlugTaken,
    TenantNotFound,
    TokenInvalid,
)
from app.schemas.auth import (
    Accepted,
    EmailBody,
    EmailVerified,
    Login,
    PasswordReset,
    Registration,
    TokenBody,
)
from app.schemas.base import Page
from app.schemas.sessions import RefreshTokenBody, SessionRead, TenantSwitch, Tokens

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post(
    "/register", status_code=202, responses=problems(SlugTaken, PasswordTooWeak, RateLimited)
)
async def register(body: Registration, attempts: AttemptsDep, service: AuthServiceDep) -> Accepted:
    """Register a user with a tenant; nothing is opened before the mail to the address is answered."""
    await attempts.register()
    await service.register(body)
    return Accepted()


@router.post("/verify-email", responses=problems(TokenInvalid, RateLimited))
async def verify_email(
    body: TokenBody, attempts: AttemptsDep, service: RegistrationServiceDep
) -> EmailVerified:
    """Prove the address with the token from the mail; the tenant's provisioning starts."""
    await attempts.token()
    return await service.verify(body.token.get_secret_value())


@router.post("/resend-verification", status_code=202, responses=problems(RateLimited))
async def resend_verification(
    body: EmailBody, attempts: AttemptsDep, service: RegistrationServiceDep
) -> Accepted:
    """Have the mail of an open registration sent again."""
    await attempts.mail(body.email)
    await service.resend(body.email)
    return Accepted()


@router.post("/forgot-password", status_code=202, responses=problems(RateLimited))
async def forgot_password(
    body: EmailBody, attempts: AttemptsDep, service: PasswordServiceDep
) -> Accepted:
    """Have a mail sent that lets its reader set a new password."""
    await attempts.mail(body.email)
    await service.request_reset(body.email)
    return Accepted()


@router.post(
    "/reset-password",
    status_code=204,
    responses=problems(TokenInvalid, PasswordTooWeak, RateLimited),
)
async def reset_password(
    body: PasswordReset, attempts: AttemptsDep, service: AuthServiceDep
) -> None:
    """Set a new password with the token from the mail; every session ends."""
    await attempts.token()
    await service.reset_password(body)


@router.post("/login", responses=problems(InvalidCredentials, RateLimited))
async def login(body: Login, attempts: AttemptsDep, service: AuthServiceDep) -> Tokens:
    """Start a session, in the lobby or in one of the user's tenants."""
    await attempts.login(body.email)
    return await service.login(body)


@router.post("/refresh", responses=problems(RefreshTokenInvalid))
async def refresh(body: RefreshTokenBody, sessions: SessionServiceDep) -> Tokens:
    """Exchange a refresh token for new tokens; using it twice ends the session."""
    return await sessions.refresh(body.refresh_token.get_secret_value())


@router.post("/logout", status_code=204)
async def logout(body: RefreshTokenBody, sessions: SessionServiceDep) -> None:
    """End the session of a refresh token."""
    await sessions.logout(body.refresh_token.get_secret_value())


@router.post("/logout-all", status_code=204, responses=problems(AssumedIdentityForbidden))
async def logout_all(user: PersonalUser, sessions: SessionServiceDep) -> None:
    """End all of the user's sessions, this one too."""
    await sessions.end_all(user.id, "logout")


@router.get("/sessions")
async def list_sessions(
    user: CurrentUser, sessions: SessionRepositoryDep, page: PageRequestDep
) -> Page[SessionRead]:
    """Return the user's sessions, last started first."""
    return await sessions.page_of_user(user.id, page, current=user.session_id)


@router.delete(
    "/sessions/{session_id}",
    status_code=204,
    responses=problems(NotFound, AssumedIdentityForbidden),
)
async def end_session(session_id: UUID, user: PersonalUser, sessions: SessionServiceDep) -> None:
    """End one of the user's sessions."""
    await sessions.revoke(user.id, session_id)


@router.post("/switch-tenant", responses=problems(TenantNotFound, AssumedIdentityForbidden))
async def switch_tenant(
    body: TenantSwitch, user: PersonalUser, sessions: SessionServiceDep
) -> Tokens:
    """Start a session in another of the user's tenants; this one goes on."""
    return await sessions.switch(user.id, user.session_id, body.tenant)
