"""What a signed-in user does with the invites to their verified address, without the mail."""

from typing import ClassVar
from uuid import UUID

from app.core.errors import AppError, InviteNotPending, NotFound
from app.core.identifiers import utcnow
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.schemas.sessions import Tokens
from app.services.audit_trail import Actor, AuditTrail
from app.services.invite_acceptance import InviteAcceptance
from app.services.invite_endings import end_invite


class OwnInvites(InviteAcceptance):
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    ended: ClassVar[type[AppError]] = InviteNotPending

    async def accept_own(self, id: UUID, user_id: UUID, session_id: UUID) -> Tokens:
        """Make the user a member and start a session in the tenant, as `accept` does.

        Raises:
            NotFound: the user's verified address has no such invite.
            InviteNotPending: it has ended, or its sender may not hand it out any more.
            AlreadyMember: the user joined in another way.
        """
        invite = await self._own(id, user_id)
        await self._require_open(invite.tenant_id)
        tenant = await self._join(invite, user_id)
        return await self.sessions.switch(user_id, session_id, tenant.slug)

    async def decline(self, id: UUID, user_id: UUID) -> None:
        """End an invite that the user does not want.

        Raises:
            NotFound: the user's verified address has no such invite.
            InviteNotPending: it has ended.
        """
        invite = await self._own(id, user_id)
        # The tenant reads this row, and nobody of it may learn whose the address is, or from where they came.
        nobody = AuditTrail(self.session, Actor(request_id=self.audit.actor.request_id))
        await end_invite(self.invites, nobody, invite, InviteStatus.DECLINED)

    async def _own(self, id: UUID, user_id: UUID) -> TenantInvite:
        invite = await self.invites.get(id)
        user = await self.users.get(user_id)
        if user.email != invite.email or user.email_verified_at is None:
            raise NotFound
        if invite.status is not InviteStatus.PENDING or invite.expires_at <= utcnow():
            raise InviteNotPending
        return invite
