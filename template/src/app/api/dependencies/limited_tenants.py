"""A tenant's requests are counted, whoever of its members sends them."""

from collections.abc import Awaitable, Callable

from fastapi.requests import HTTPConnection

from app.api.context.rate_limiter import limiter_of
from app.api.dependencies.components import Components
from app.api.dependencies.requirements import Requirement
from app.core.db.unit_of_work import UnitOfWork
from app.core.security.access_tokens import AccessClaims

type Admission[T] = Callable[
    [HTTPConnection, Components, UnitOfWork, AccessClaims, Requirement], Awaitable[T]
]


def counting_tenants[T](admit: Admission[T]) -> Admission[T]:
    """Return `admit`, with the request counted for the token's tenant once the caller is admitted."""

    async def admit_counted(
        request: HTTPConnection,
        components: Components,
        unit: UnitOfWork,
        claims: AccessClaims,
        required: Requirement,
    ) -> T:
        admitted = await admit(request, components, unit, claims, required)
        await limiter_of(request.scope).enforce_tenant(str(claims.tenant_id))
        return admitted

    return admit_counted
