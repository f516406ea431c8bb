"""What the routes of sign-in and sessions ask for."""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from app.api.context.request_context import RequestContext
from app.api.dependencies.audit import ActorDep
from app.api.dependencies.components import Components, ComponentsDep
from app.api.dependencies.sessions import DBSession
from app.repositories.public.refresh_tokens import RefreshTokenRepository
from app.services.audit_trail import Actor
from app.services.identity import Identity
from app.services.session_service import SessionService

_USER_AGENT_LENGTH = 255


def identity_of(request: HTTPConnection, components: Components, actor: Actor) -> Identity:
    """Return the services that change users and sessions, for `actor`."""
    agent = RequestContext.of(request.scope).user_agent
    # Shown to the user later: no control characters, NUL among them.
    shown = "".join(char for char in agent if char.isprintable())[:_USER_AGENT_LENGTH]
    return Identity(components.access_tokens, components.settings, actor, shown or None)


async def get_identity(
    request: HTTPConnection, components: ComponentsDep, actor: ActorDep
) -> Identity:
    """Return the services that change users and sessions, for the caller."""
    return identity_of(request, components, actor)


IdentityDep = Annotated[Identity, Depends(get_identity)]


async def get_session_service(session: DBSession, identity: IdentityDep) -> SessionService:
    """Return the rules for sessions."""
    return identity.sessions(session)


async def get_session_repository(session: DBSession) -> RefreshTokenRepository:
    """Return the sessions for display."""
    return RefreshTokenRepository(session)


SessionServiceDep = Annotated[SessionService, Depends(get_session_service)]
SessionRepositoryDep = Annotated[RefreshTokenRepository, Depends(get_session_repository)]
