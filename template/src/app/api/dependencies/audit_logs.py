"""What the routes of the audit log ask for."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import StringConstraints

from app.api.dependencies.admission import ValidatedTenant
from app.api.dependencies.sessions import DBSession
from app.repositories.public.audit_logs import AuditLogRepository
from app.schemas.audit_logs import AuditLogFilter
from app.schemas.base import Text
from app.schemas.moments import Moment

_Word = Annotated[Text, StringConstraints(max_length=64)]


async def get_audit_log_filter(
    action: Annotated[_Word | None, Query(examples=["project.updated"])] = None,
    user_id: Annotated[UUID | None, Query(description="Who acted.")] = None,
    entity_type: Annotated[_Word | None, Query(examples=["project"])] = None,
    entity_id: Annotated[
        _Word | None, Query(description="With `entity_type`: the entity's history.")
    ] = None,
    since: Annotated[Moment | None, Query(description="With a time zone.")] = None,
    until: Annotated[Moment | None, Query(description="Exclusive; with a time zone.")] = None,
) -> AuditLogFilter:
    """Return which rows the client asks for."""
    return AuditLogFilter(action, user_id, entity_type, entity_id, since, until)


async def get_audit_log_repository(
    session: DBSession, tenant: ValidatedTenant
) -> AuditLogRepository:
    """Return the audit trail of the request's tenant."""
    return AuditLogRepository(session, tenant.id)


AuditLogFilterDep = Annotated[AuditLogFilter, Depends(get_audit_log_filter)]
AuditLogRepositoryDep = Annotated[AuditLogRepository, Depends(get_audit_log_repository)]
