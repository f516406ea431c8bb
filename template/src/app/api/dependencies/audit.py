"""Who acts in this request, for the audit trail."""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from app.api.context.request_context import RequestContext
from app.api.dependencies.admission import admitted_of
from app.services.audit_trail import Actor


async def get_actor(request: HTTPConnection) -> Actor:
    """Return the caller as the audit trail names it; without ids on a public route."""
    admitted = admitted_of(request)
    tenant = admitted.tenant if admitted else None
    context = RequestContext.of(request.scope)
    return Actor(
        user_id=admitted.id if admitted else None,
        assumed_by=admitted.assumed_by if admitted else None,
        tenant_id=tenant.id if tenant else None,
        ip_address=context.client_address,
        request_id=context.request_id,
        role=tenant.role if tenant else None,
    )


ActorDep = Annotated[Actor, Depends(get_actor)]
