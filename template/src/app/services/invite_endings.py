"""An invite that ends without having made anybody a member, with the audit row that goes with it."""

from typing import Literal
from uuid import UUID

from app.core.identifiers import utcnow
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.repositories.public.tenant_invites import InviteRepository, invite_read
from app.services.audit_trail import AuditTrail

type Ending = Literal[InviteStatus.CANCELLED, InviteStatus.EXPIRED]


async def end_invite(
    invites: InviteRepository,
    audit: AuditTrail,
    invite: TenantInvite,
    status: Ending,
    *,
    user_id: UUID | None = None,
) -> None:
    """Make a locked, pending invite's token worthless; `user_id` stands in where the actor has none."""
    before = invite_read(invite)
    changes = {"status": status, "resolved_at": utcnow()}
    after = invite_read(await invites.update(invite, changes))
    await audit.record(
        f"invite.{status.value}",
        "invite",
        invite.id,
        before=before,
        after=after,
        tenant_id=invite.tenant_id,
        user_id=user_id,
    )
