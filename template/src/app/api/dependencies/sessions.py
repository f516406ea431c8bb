"""The two sessions of a request, in one transaction on one connection."""

from typing import Annotated

from fastapi import Depends

from app.api.dependencies.admission import UnitDep, ValidatedTenant
from app.api.dependencies.requirements import Requirement, requires
from app.core.db.sessions import LobbySession, TenantSession
from app.core.errors import TenantRequired


async def get_lobby_session(unit: UnitDep) -> LobbySession:
    """Return the session for the shared tables."""
    return LobbySession(unit)


@requires(Requirement(tenant=True, enters=True))
async def get_tenant_session(unit: UnitDep, tenant: ValidatedTenant) -> TenantSession:
    """Return the session for the tables of the tenant that the request names."""
    if not tenant.entered:
        raise TenantRequired
    return TenantSession(unit)


DBSession = Annotated[LobbySession, Depends(get_lobby_session)]
TenantDBSession = Annotated[TenantSession, Depends(get_tenant_session)]
