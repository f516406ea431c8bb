"""What the routes of users ask for."""

from typing import Annotated

from fastapi import Depends, Request

from app.api.context.request_context import RequestContext
from app.api.dependencies.admission import HashingUser
from app.api.dependencies.auth import IdentityDep, identity_of
from app.api.dependencies.components import ComponentsDep
from app.api.dependencies.sessions import DBSession
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.users import UserRepository
from app.services.audit_trail import Actor
from app.services.auth_service import AuthService
from app.services.user_service import UserService


async def get_user_repository(session: DBSession) -> UserRepository:
    """Return the users for display."""
    return UserRepository(session)


async def get_membership_repository(session: DBSession) -> MembershipRepository:
    """Return who belongs to which tenant."""
    return MembershipRepository(session)


async def get_user_service(session: DBSession, identity: IdentityDep) -> UserService:
    """Return the rules for changes to users."""
    return identity.users(session)


async def get_own_auth_service(
    request: Request, components: ComponentsDep, user: HashingUser
) -> AuthService:
    """Return what hashes passwords, for the signed-in caller."""
    context = RequestContext.of(request.scope)
    actor = Actor(user_id=user.id, ip_address=context.client_address, request_id=context.request_id)
    identity = identity_of(request, components, actor)
    return AuthService(components.database, components.passwords, identity)


UserRepositoryDep = Annotated[UserRepository, Depends(get_user_repository)]
MembershipRepositoryDep = Annotated[MembershipRepository, Depends(get_membership_repository)]
UserServiceDep = Annotated[UserService, Depends(get_user_service)]
OwnAuthServiceDep = Annotated[AuthService, Depends(get_own_auth_service)]
