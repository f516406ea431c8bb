"""What the routes of sign-in and sessions ask for."""

from typing import Annotated

from fastapi import Depends, Request

from app.api.context.request_context import RequestContext
from app.api.dependencies.audit import ActorDep
from app.api.dependencies.components import Components, ComponentsDep
from app.api.dependencies.sessions import DBSession
from app.repositories.public.refresh_tokens import RefreshTokenRepository
from app.services.audit_trail import Actor
from app.services.auth_service import AuthService
from app.services.identity import Identity
from app.services.password_service import PasswordService
from app.services.registration_service import RegistrationService
from app.services.session_service import SessionService

_USER_AGENT_LENGTH = 255


def identity_of(request: Request, components: Components, actor: Actor) -> Identity:
    """Return the services that change users and sessions, for `actor`."""
    agent = RequestContext.of(request.scope).user_agent
    # Shown to the user later: no control characters, NUL among them.
    shown = "".join(char for char in agent if char.isprintable())[:_USER_AGENT_LENGTH]
    return Identity(components.access_tokens, components.settings.auth, actor, shown or None)


async def get_identity(request: Request, components: ComponentsDep, actor: ActorDep) -> Identity:
    """Return the services that change users and sessions, for the caller."""
    return identity_of(request, components, actor)


IdentityDep = Annotated[Identity, Depends(get_identity)]


async def get_auth_service(components: ComponentsDep, identity: IdentityDep) -> AuthService:
    """Return what hashes passwords; it opens its own transactions, so the route's takes no connection."""
    return AuthService(components.database, components.passwords, identity)


async def get_session_service(session: DBSession, identity: IdentityDep) -> SessionService:
    """Return the rules for sessions."""
    return identity.sessions(session)


async def get_session_repository(session: DBSession) -> RefreshTokenRepository:
    """Return the sessions for display."""
    return RefreshTokenRepository(session)


async def get_registration_service(
    session: DBSession, identity: IdentityDep
) -> RegistrationService:
    """Return the rules for registrations."""
    return identity.registrations(session)


async def get_password_service(session: DBSession, identity: IdentityDep) -> PasswordService:
    """Return the rules for passwords."""
    return identity.passwords(session)


AuthServiceDep = Annotated[AuthService, Depends(get_auth_service)]
SessionServiceDep = Annotated[SessionService, Depends(get_session_service)]
SessionRepositoryDep = Annotated[RefreshTokenRepository, Depends(get_session_repository)]
RegistrationServiceDep = Annotated[RegistrationService, Depends(get_registration_service)]
PasswordServiceDep = Annotated[PasswordService, Depends(get_password_service)]
