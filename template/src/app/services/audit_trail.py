"""Who changed what, written in the transaction that changes it (ADR 0005)."""

from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel

from app.core.db.sessions import Session
from app.core.identifiers import uuid7
from app.core.roles import Role
from app.repositories.public import audit_logs
from app.services.audit_details import details


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, for whom, and in which request; all `None` for the platform itself."""

    user_id: UUID | None = None
    assumed_by: UUID | None = None
    tenant_id: UUID | None = None
    ip_address: str | None = None
    request_id: str | None = None
    role: Role | None = None
    """In the tenant, as admission found it."""

    def is_at_least(self, role: Role) -> bool:
        """Tell whether the actor may do in the tenant all that `role` may; the platform itself has no role."""
        return self.role is not None and self.role.at_least(role)


class AuditTrail:
    """Adds rows for one actor. They commit and roll back with the change that they speak of."""

    def __init__(self, session: Session, actor: Actor) -> None:
        self.session = session
        self.actor = actor

    async def record(
        self,
        action: str,
        entity_type: str,
        entity_id: UUID,
        *,
        before: BaseModel | None = None,
        after: BaseModel | None = None,
        tenant_id: UUID | None = None,
        user_id: UUID | None = None,
    ) -> None:
        """Add a row; `tenant_id` and `user_id` stand in where the actor has none yet.

        Of `before` and `after` it keeps what differs, up to `DETAIL_BYTES` each.
        """
        was, became = details(before, after)
        await audit_logs.record(
            self.session,
            uuid7(),
            action=action,
            tenant_id=self.actor.tenant_id or tenant_id,
            user_id=self.actor.user_id or user_id,
            assumed_by=self.actor.assumed_by,
            entity_type=entity_type,
            entity_id=str(entity_id),
            ip_address=self.actor.ip_address,
            request_id=self.actor.request_id,
            before=was,
            after=became,
        )
