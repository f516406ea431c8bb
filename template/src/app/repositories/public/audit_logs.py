"""The audit trail. Rows are added by a function of the database, with either session (docs/security.md)."""

from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from sqlalchemy import DateTime, String, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import col

from app.core.db.query import Query
from app.core.db.sessions import LobbySession, Session
from app.models.public.audit_logs import AuditLog
from app.repositories.pages import Pages
from app.schemas.audit_logs import AuditLogFilter, AuditLogRead
from app.schemas.base import Page, PageRequest

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

_SINCE: Final = bindparam("since", type_=DateTime(timezone=True))
_UNTIL: Final = bindparam("until", type_=DateTime(timezone=True))

_NEWEST: Final = Pages(
    select(AuditLog).where(col(AuditLog.tenant_id) == bindparam("tenant_id")),
    AuditLogRead,
    at=col(AuditLog.occurred_at),
    id=col(AuditLog.id),
    filters={
        "action": col(AuditLog.action) == bindparam("action"),
        "user_id": col(AuditLog.user_id) == bindparam("user_id"),
        "entity_type": col(AuditLog.entity_type) == bindparam("entity_type"),
        "entity_id": col(AuditLog.entity_id) == bindparam("entity_id"),
        "since": col(AuditLog.occurred_at) >= _SINCE,
        "until": col(AuditLog.occurred_at) < _UNTIL,
    },
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
        return await _NEWEST.read(self.session, request, tenant_id=self.tenant_id, **asdict(wanted))
