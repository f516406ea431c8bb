"""The audit trail as a tenant's admins see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel

from app.schemas.base import at_most, at_most_bytes

DETAIL_BYTES: Final = 4096
"""What each side of a change may take in the audit trail."""

Detail = Annotated[dict[str, Any], at_most_bytes(DETAIL_BYTES)]


class AuditLogRead(BaseModel):
    id: UUID
    occurred_at: datetime
    action: Annotated[str, at_most(64)]
    user_id: UUID | None
    assumed_by: UUID | None
    """The superuser who acted as `user_id`."""
    entity_type: Annotated[str, at_most(64)]
    entity_id: Annotated[str, at_most(64)]
    ip_address: Annotated[str, at_most(45)] | None
    request_id: Annotated[str, at_most(128)] | None
    before: Detail | None
    after: Detail | None
    """What was changed, and not the rest; `{"omitted_bytes": 9000}` stands for a value that is too large."""


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
