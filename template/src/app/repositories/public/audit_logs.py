"""The audit trail. Rows are added by a function of the database, with either session (docs/security.md)."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import String, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import JSONB

from app.core.db.query import Query
from app.core.db.sessions import Session

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
