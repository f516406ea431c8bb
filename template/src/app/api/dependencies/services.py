"""Services for the request's tenant and caller."""

from collections.abc import Awaitable, Callable
from typing import Any

from app.api.dependencies.audit import ActorDep
from app.api.dependencies.sessions import TenantDBSession
from app.services.base import TenantService


def of_tenant[S: TenantService[Any, Any]](service: type[S]) -> Callable[..., Awaitable[S]]:
    """Return a dependency that admits the tenant's members and makes `service` for the caller."""

    async def make(session: TenantDBSession, actor: ActorDep) -> S:
        return service(session, actor)

    return make
