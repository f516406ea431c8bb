"""Who signs in with an invited address joins: the provider has verified it, as reading the mail would."""

from typing import Final

from sqlalchemy import select
from sqlmodel import col

from app.core.identifiers import utcnow
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.models.public.tenants import TenantStatus
from app.models.public.users import User
from app.services.invite_acceptance import InviteAcceptance
from app.services.invite_endings import end_invite
from app.services.workflow_requests import Mail, WorkflowRequests

_MOST: Final = 100
"""Invites that one sign-in accepts; the next one goes on."""


class InvitedMembers(InviteAcceptance):
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    async def waiting(self, email: str | None) -> list[TenantInvite]:
        """Return the invites of a verified address, locked. Call it before the user is locked.

        That is the order in which a token is accepted: of two at the same moment one waits.
        """
        if email is None:
            return []
        return await self.session.scalars(
            select(TenantInvite)
            .where(
                col(TenantInvite.email) == email,
                col(TenantInvite.status) == InviteStatus.PENDING,
                col(TenantInvite.expires_at) > utcnow(),
            )
            .order_by(col(TenantInvite.id))
            .limit(_MOST)
            .with_for_update()
        )

    async def join(self, user: User, invites: list[TenantInvite], *, is_new: bool) -> None:
        """Make the user a member of each inviting tenant that is open; a new one is welcomed.

        Nothing but a pending invite makes a member: who was removed stays out. A member keeps the role, and the invite
        ends.
        """
        for invite in invites:
            tenant_id = invite.tenant_id
            # The user keeps an address of their own where the provider's is another user's.
            if invite.email != user.email:
                continue
            if await self.tenants.status(tenant_id) is not TenantStatus.READY:
                continue
            if await self.memberships.find_of(tenant_id, user.id) is not None:
                # Left open, it would bring them back after a removal.
                await end_invite(
                    self.invites, self.audit, invite, InviteStatus.CANCELLED, user_id=user.id
                )
                continue
            await self._join(invite, user.id)
            if is_new:
                await WorkflowRequests(self.session).send_email(
                    Mail.WELCOME, user.id, user_id=user.id, tenant_id=tenant_id
                )
                is_new = False
