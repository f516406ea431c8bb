"""What the routes of users ask for."""

from typing import Annotated

from fastapi import Depends

from app.api.dependencies.auth import IdentityDep
from app.api.dependencies.sessions import DBSession
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.users import UserRepository
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


UserRepositoryDep = Annotated[UserRepository, Depends(get_user_repository)]
MembershipRepositoryDep = Annotated[MembershipRepository, Depends(get_membership_repository)]
UserServiceDep = Annotated[UserService, Depends(get_user_service)]
