"""The two sessions of a request, in one transaction on one connection."""

from typing import Annotated

from fastapi import Depends, Request

from app.api.dependencies.admission import admitted_of, unit_of
from app.api.dependencies.requirements import Requirement, requires
from app.core.db.sessions import LobbySession, TenantSession
from app.core.errors import TenantRequired


async def get_lobby_session(request: Request) -> LobbySession:
    """Return the session for the shared tables."""
    return LobbySession(unit_of(request))


@requires(Requirement(tenant=True, enters=True))
async def get_tenant_session(request: Request) -> TenantSession:
    """Return the session for the tables of the tenant that the request names."""
    admitted = admitted_of(request)
    if admitted is None or admitted.tenant is None or not admitted.tenant.entered:
        raise TenantRequired
    return TenantSession(unit_of(request))


DBSession = Annotated[LobbySession, Depends(get_lobby_session)]
TenantDBSession = Annotated[TenantSession, Depends(get_tenant_session)]
