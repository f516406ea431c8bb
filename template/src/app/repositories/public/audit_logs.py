"""The audit trail. Rows are added by a function of the database, with either session (docs/security.md)."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, String, Uuid, bindparam, func, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import col

from app.core.db.query import Query
from app.core.db.sessions import LobbySession, Session
from app.models.public.audit_logs import AuditLog
from app.schemas.audit_logs import AuditLogFilter, AuditLogRead
from app.schemas.base import Page, PageRequest, Position

_RECORD: Final = Query(
    select(
        func.public.record_audit(
            bindparam("id", type_=Uuid),
            bindparam("action", type_=String),
            bindparam("tenant_id", type_=Uuid),
            bindparam("user_id", type_=Uuid),
            bindparam("assumed_by", type_=Uuid),
            bindparam("entity_type", type_=String),
            bindparam("entity_id", type_=String),
            bindparam("ip_address", type_=String),
            bindparam("request_id", type_=String),
            bindparam("before", type_=JSONB),
            bindparam("after", type_=JSONB),
        )
    ),
    dict[str, Any],
)


async def record(session: Session, id: UUID, **values: UUID | str | None) -> None:
    """Add one row; `before` and `after` are JSON texts."""
    await session.rows(_RECORD, id=id, **values)


class AuditLogRepository:
    """Reads one tenant's rows."""

    def __init__(self, session: LobbySession, tenant_id: UUID) -> None:
        self.session = session
        self.tenant_id = tenant_id

    async def page(self, request: PageRequest, wanted: AuditLogFilter) -> Page[AuditLogRead]:
        """Return the rows that fit, newest first."""
        position = tuple_(col(AuditLog.occurred_at), col(AuditLog.id))
        rows = await self.session.scalars(
            select(AuditLog)
            .where(
                col(AuditLog.tenant_id) == self.tenant_id,
                position < (request.after.at, request.after.id),
                *_conditions(wanted),
            )
            .order_by(col(AuditLog.occurred_at).desc(), col(AuditLog.id).desc())
            .limit(request.limit + 1)
        )
        read = [AuditLogRead.model_validate(row, from_attributes=True) for row in rows]
        return Page.of(read, request.limit, lambda row: Position(row.occurred_at, row.id))


def _conditions(wanted: AuditLogFilter) -> list[ColumnElement[bool]]:
    named = {
        AuditLog.action: wanted.action,
        AuditLog.user_id: wanted.user_id,
        AuditLog.entity_type: wanted.entity_type,
        AuditLog.entity_id: wanted.entity_id,
    }
    conditions = [col(column) == value for column, value in named.items() if value is not None]
    if wanted.since is not None:
        conditions.append(col(AuditLog.occurred_at) >= wanted.since)
    if wanted.until is not None:
        conditions.append(col(AuditLog.occurred_at) < wanted.until)
    return conditions
