"""The audit trail as a tenant's admins see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel


class AuditLogRead(BaseModel):
    id: UUID
    occurred_at: datetime
    action: str
    user_id: UUID | None
    assumed_by: UUID | None
    """The superuser who acted as `user_id`."""
    entity_type: str
    entity_id: str
    ip_address: str | None
    request_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class AuditLogFilter:
    """Which rows are asked for; what is `None` does not matter. Type and id of an entity give its history."""

    action: str | None = None
    user_id: UUID | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Exclusive, so that two periods can adjoin."""
