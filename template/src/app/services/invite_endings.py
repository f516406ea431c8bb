"""Invites that end without having made anybody a member, with the audit row that goes with each."""

from typing import Final
from uuid import UUID

from app.core.identifiers import utcnow
from app.core.roles import Role
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.repositories.public.tenant_invites import InviteRepository, invite_read
from app.services.audit_trail import AuditTrail

_MOST: Final = 100
"""Invites of one sender that end in a request. The others open nothing either; the clean-up records their end."""


async def end_invite(
    invites: InviteRepository, audit: AuditTrail, invite: TenantInvite, status: InviteStatus
) -> None:
    """Make a locked, pending invite's token worthless."""
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
    )


async def record_end(invites: InviteRepository, audit: AuditTrail, invite: TenantInvite) -> None:
    """Record the end of a locked invite that has lapsed or that its sender may not hand out any more, if it is one."""
    shown = await invites.read(invite.tenant_id, invite.id)
    if shown.status is not InviteStatus.PENDING:
        await end_invite(invites, audit, invite, shown.status)


async def end_invites_from(
    invites: InviteRepository,
    audit: AuditTrail,
    tenant_id: UUID,
    user_id: UUID,
    *,
    role: Role | None,
) -> None:
    """Cancel the invites that a user sent and may not hand out with `role`; `None` stands for no membership.

    They stay cancelled if the user gets the right back.
    """
    for invite in await invites.pending_from(tenant_id, user_id, role=role, limit=_MOST):
        await end_invite(invites, audit, invite, InviteStatus.CANCELLED)
