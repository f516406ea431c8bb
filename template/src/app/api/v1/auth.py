"""Sessions: refresh, logout, switching tenants."""

from uuid import UUID

from app.api.dependencies.admission import PersonalUser
from app.api.dependencies.auth import SessionRepositoryDep, SessionServiceDep
from app.api.dependencies.pages import PageRequestDep
from app.api.problems import problems
from app.api.routing import APIRouter
from app.core.errors import AssumedIdentityForbidden, NotFound, RefreshTokenInvalid, TenantNotFound
from app.schemas.base import Page
from app.schemas.sessions import RefreshTokenBody, SessionRead, TenantSwitch, Tokens

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post("/refresh", responses=problems(RefreshTokenInvalid))
async def refresh(body: RefreshTokenBody, sessions: SessionServiceDep) -> Tokens:
    """Exchange a refresh token for new tokens; using it twice ends the sign-in's sessions."""
    return await sessions.refresh(body.refresh_token.get_secret_value())


@router.post("/logout", status_code=204)
async def logout(body: RefreshTokenBody, sessions: SessionServiceDep) -> None:
    """End the session of a refresh token, and the others of its sign-in."""
    await sessions.logout(body.refresh_token.get_secret_value())


@router.post("/logout-all", status_code=204, responses=problems(AssumedIdentityForbidden))
async def logout_all(user: PersonalUser, sessions: SessionServiceDep) -> None:
    """End all of the user's sessions, this one too."""
    await sessions.end_all(user.id, "logout")


@router.get("/sessions", responses=problems(AssumedIdentityForbidden))
async def list_sessions(
    user: PersonalUser, sessions: SessionRepositoryDep, page: PageRequestDep
) -> Page[SessionRead]:
    """Return the user's sessions, last started first."""
    return await sessions.page_of_user(user.id, page, current=user.session_id)


@router.delete(
    "/sessions/{session_id}",
    status_code=204,
    responses=problems(NotFound, AssumedIdentityForbidden),
)
async def end_session(session_id: UUID, user: PersonalUser, sessions: SessionServiceDep) -> None:
    """End one of the user's sessions, and the others of its sign-in."""
    await sessions.revoke(user.id, session_id)


@router.post("/switch-tenant", responses=problems(TenantNotFound, AssumedIdentityForbidden))
async def switch_tenant(
    body: TenantSwitch, user: PersonalUser, sessions: SessionServiceDep
) -> Tokens:
    """Start a session in another of the user's tenants; this one goes on, and the two end together."""
    return await sessions.switch(user.id, user.session_id, body.tenant)
