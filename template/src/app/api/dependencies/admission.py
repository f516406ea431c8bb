"""Authentication, user, tenant, membership and role: checked here, once, before any work.

A route declares whom it admits by the types of its parameters: `CurrentUser`, `ValidatedTenant`, `AdminUser`,
`SuperUser` and so on. One call to the database checks all of it and begins the request's transaction.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.api.context.request_context import RequestContext
from app.api.context.tenant_header import describes_tenant
from app.api.dependencies.components import Components, ComponentsDep
from app.api.dependencies.requirements import Requirement, requirement_of, requires
from app.core.db.admission import (
    Caller,
    MemberAdmission,
    UserAdmission,
    admit_member,
    admit_user,
)
from app.core.db.unit_of_work import UnitOfWork
from app.core.errors import (
    AssumedIdentityForbidden,
    RoleRequired,
    TenantMismatch,
    TenantRequired,
    Unauthenticated,
)
from app.core.roles import Role
from app.core.security.access_tokens import AccessClaims

_bearer = HTTPBearer(
    auto_error=False, description="The access token that login, refresh and switch-tenant return."
)


@dataclass(frozen=True, slots=True)
class AdmittedTenant:
    """The tenant of the request, and the caller's role in it as the database has it now."""

    id: UUID
    slug: str
    role: Role
    entered: bool
    """Whether the transaction has the tenant's schema and role."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The caller, checked by the database in this request's transaction."""

    id: UUID
    session_id: UUID
    assumed_by: UUID | None
    """The superuser who acts in this user's name."""
    claimed_tenant_id: UUID | None
    """The tenant of the access token, where the route is not a tenant's."""
    tenant: AdmittedTenant | None


async def get_unit(components: ComponentsDep) -> AsyncIterator[UnitOfWork]:
    """Yield the request's transaction; it commits before the response is sent."""
    async with components.database.unit() as unit:
        yield unit


# "function" scope ends the dependency after the endpoint and before the response.
UnitDep = Annotated[UnitOfWork, Depends(get_unit, scope="function")]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def admit(
    request: Request, components: ComponentsDep, unit: UnitDep, bearer: Bearer
) -> Admitted | None:
    """Check everything that the route's dependencies demand; `None` where a token may be left out."""
    required = requirement_of(request.scope["route"])
    if required is None or (bearer is None and not required.user):
        return None
    if bearer is None:
        raise Unauthenticated
    claims = components.access_tokens.verify(bearer.credentials)
    if required.personal and claims.actor_id is not None:
        raise AssumedIdentityForbidden
    admit_to = _admit_to_tenant if required.tenant else _admit_to_lobby
    return await admit_to(request, components, unit, claims, required)


AdmittedDep = Annotated[Admitted | None, Depends(admit)]


async def _admit_to_lobby(
    request: Request,
    _components: Components,
    unit: UnitOfWork,
    claims: AccessClaims,
    required: Requirement,
) -> Admitted:
    await admit_user(
        unit,
        UserAdmission(_caller(claims), superuser=required.superuser, verified=required.verified),
    )
    RequestContext.of(request.scope).admit(claims.user_id, actor_id=claims.actor_id)
    return Admitted(claims.user_id, claims.session_id, claims.actor_id, claims.tenant_id, None)


async def _admit_to_tenant(
    request: Request,
    components: Components,
    unit: UnitOfWork,
    claims: AccessClaims,
    required: Requirement,
) -> Admitted:
    name = components.tenant_strategy.name_of(request.scope)
    if name is None:
        raise TenantRequired
    if claims.tenant_id is None or claims.role is None or claims.tenant_slug is None:
        raise TenantMismatch
    if name not in (claims.tenant_slug, str(claims.tenant_id)):
        raise TenantMismatch
    role = await admit_member(
        unit,
        MemberAdmission(
            _caller(claims),
            claims.tenant_id,
            claims.role,
            at_least=required.at_least,
            enters=required.enters,
        ),
    )
    RequestContext.of(request.scope).admit(
        claims.user_id, tenant_slug=claims.tenant_slug, actor_id=claims.actor_id
    )
    components.limiter.enforce_later("tenant", str(claims.tenant_id))
    tenant = AdmittedTenant(claims.tenant_id, claims.tenant_slug, role, required.enters)
    return Admitted(claims.user_id, claims.session_id, claims.actor_id, tenant.id, tenant)


def _caller(claims: AccessClaims) -> Caller:
    return Caller(claims.user_id, claims.session_id, claims.actor_id)


@requires(Requirement(user=False))
async def optional_user(admitted: AdmittedDep) -> Admitted | None:
    """Return the caller if a token was sent; a wrong one is refused all the same."""
    return admitted


@requires(Requirement())
async def current_user(admitted: AdmittedDep) -> Admitted:
    """Return the signed-in caller."""
    if admitted is None:
        raise Unauthenticated
    return admitted


@requires(Requirement(personal=True))
async def personal_user(user: Annotated[Admitted, Depends(current_user)]) -> Admitted:
    """Return the signed-in caller, never somebody who assumes the identity."""
    return user


@requires(Requirement(verified=True))
async def verified_user(user: Annotated[Admitted, Depends(current_user)]) -> Admitted:
    """Return the signed-in caller, whose address is verified."""
    return user


@requires(Requirement(superuser=True, personal=True))
async def superuser(user: Annotated[Admitted, Depends(current_user)]) -> Admitted:
    """Return the signed-in platform superuser."""
    return user


@requires(Requirement(tenant=True))
async def validated_tenant(
    user: Annotated[Admitted, Depends(current_user)],
    _described: Annotated[None, Depends(describes_tenant)],
) -> AdmittedTenant:
    """Return the tenant that the request names and the caller belongs to."""
    if user.tenant is None:
        raise TenantRequired
    return user.tenant


@requires(Requirement(tenant=True, at_least=Role.ADMIN))
async def admin_user(
    user: Annotated[Admitted, Depends(current_user)],
    tenant: Annotated[AdmittedTenant, Depends(validated_tenant)],
) -> Admitted:
    """Return the caller, at least an admin of the tenant."""
    return _with_role(user, tenant, Role.ADMIN)


@requires(Requirement(tenant=True, at_least=Role.OWNER))
async def owner_user(
    user: Annotated[Admitted, Depends(current_user)],
    tenant: Annotated[AdmittedTenant, Depends(validated_tenant)],
) -> Admitted:
    """Return the caller, an owner of the tenant."""
    return _with_role(user, tenant, Role.OWNER)


def _with_role(user: Admitted, tenant: AdmittedTenant, role: Role) -> Admitted:
    # The database has checked it; a marker that was lost would show here.
    if not tenant.role.at_least(role):
        raise RoleRequired
    return user


OptionalUser = Annotated[Admitted | None, Depends(optional_user)]
CurrentUser = Annotated[Admitted, Depends(current_user)]
PersonalUser = Annotated[Admitted, Depends(personal_user)]
VerifiedUser = Annotated[Admitted, Depends(verified_user)]
SuperUser = Annotated[Admitted, Depends(superuser)]
ValidatedTenant = Annotated[AdmittedTenant, Depends(validated_tenant)]
AdminUser = Annotated[Admitted, Depends(admin_user)]
OwnerUser = Annotated[Admitted, Depends(owner_user)]
