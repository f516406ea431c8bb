"""What the routes of passwords ask for."""

from typing import Annotated

from fastapi import Depends, Request

from app.api.context.request_context import RequestContext
from app.api.dependencies.admission import Admitted, OptionalUser, PersonalUser
from app.api.dependencies.auth import IdentityDep, identity_of
from app.api.dependencies.components import ComponentsDep
from app.api.dependencies.requirements import Requirement, requires
from app.api.dependencies.sessions import DBSession
from app.services.audit_trail import Actor
from app.services.auth_service import AuthService
from app.services.invite_sign_up import InviteSignUp, ProvingAcceptance
from app.services.password_service import PasswordService
from app.services.registration_service import RegistrationService


async def get_auth_service(components: ComponentsDep, identity: IdentityDep) -> AuthService:
    """Return what hashes passwords; it opens its own transactions, so the route's takes no connection."""
    return AuthService(components.database, components.sign_in.passwords, identity)


async def get_registration_service(
    session: DBSession, identity: IdentityDep
) -> RegistrationService:
    """Return the rules for registrations."""
    return RegistrationService(session, identity)


async def get_password_service(session: DBSession, identity: IdentityDep) -> PasswordService:
    """Return the rules for passwords."""
    return PasswordService(session, identity)


async def get_own_auth_service(
    request: Request, components: ComponentsDep, user: PersonalUser
) -> AuthService:
    """Return what hashes passwords, for the signed-in caller."""
    context = RequestContext.of(request.scope)
    actor = Actor(user_id=user.id, ip_address=context.client_address, request_id=context.request_id)
    identity = identity_of(request, components, actor)
    return AuthService(components.database, components.sign_in.passwords, identity)


@requires(Requirement(user=False, personal=True))
async def get_invited_user(user: OptionalUser) -> Admitted | None:
    """Return the caller if a token was sent, never somebody who assumes the identity."""
    return user


async def get_proving_acceptance(session: DBSession, identity: IdentityDep) -> ProvingAcceptance:
    """Return the rules for who accepts with a session."""
    return ProvingAcceptance(session, identity)


async def get_invite_sign_up(components: ComponentsDep, identity: IdentityDep) -> InviteSignUp:
    """Return what accepts for a new user; it opens its own transactions."""
    return InviteSignUp(components.database, components.sign_in.passwords, identity)


AuthServiceDep = Annotated[AuthService, Depends(get_auth_service)]
RegistrationServiceDep = Annotated[RegistrationService, Depends(get_registration_service)]
PasswordServiceDep = Annotated[PasswordService, Depends(get_password_service)]
InvitedUser = Annotated[Admitted | None, Depends(get_invited_user)]
ProvingAcceptanceDep = Annotated[ProvingAcceptance, Depends(get_proving_acceptance)]
InviteSignUpDep = Annotated[InviteSignUp, Depends(get_invite_sign_up)]
OwnAuthServiceDep = Annotated[AuthService, Depends(get_own_auth_service)]
