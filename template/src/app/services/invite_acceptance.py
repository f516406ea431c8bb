"""What the holder of an invite's token may do: nobody else has read the mail to that address."""

from typing import ClassVar, Final
from uuid import UUID

from app.core.db.sessions import LobbySession
from app.core.errors import (
    AppError,
    InviteOfOtherAddress,
    TenantDeleted,
    TenantNotReady,
    TenantSuspended,
    TokenInvalid,
)
from app.core.identifiers import utcnow
from app.core.security.opaque_tokens import digest, is_well_formed
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.models.public.tenants import TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.users import User
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.tenant_invites import InviteRepository, invite_read
from app.repositories.public.tenants import TenantRegistry
from app.repositories.public.users import UserRepository, user_read
from app.schemas.invites import InvitePreview
from app.schemas.sessions import Tokens
from app.schemas.users import UserTenant
from app.services.identity import Identity

_CLOSED: Final[dict[TenantStatus, type[AppError]]] = {
    TenantStatus.SUSPENDED: TenantSuspended,
    TenantStatus.DELETING: TenantDeleted,
    TenantStatus.DELETED: TenantDeleted,
}


class InviteAcceptance:
    """Works inside the caller's transaction; never commits (ADR 0003).

    Every method but `preview` raises the error `ended` if the invite is over or its sender may not hand it out any
    more, and what admission would answer if the tenant is closed.
    """

    ended: ClassVar[type[AppError]] = TokenInvalid

    def __init__(self, session: LobbySession, identity: Identity) -> None:
        self.session = session
        self.invites = InviteRepository(session)
        self.tenants = TenantRegistry(session)
        self.memberships = MembershipRepository(session)
        self.users = UserRepository(session)
        self.audit = identity.audit(session)
        self.sessions = identity.sessions(session)

    async def preview(self, token: str) -> InvitePreview:
        """Return what is offered to whom.

        Raises:
            TokenInvalid: the token opens no pending invite of an open tenant.
        """
        found = await self.invites.preview(digest(token)) if is_well_formed(token) else None
        if found is None:
            raise TokenInvalid
        return found

    async def accept(self, token: str, user_id: UUID, session_id: UUID) -> Tokens:
        """Make a signed-in user a member and start a session in the tenant, as `SessionService.switch` does.

        It proves the user's address as well.

        Raises:
            InviteOfOtherAddress: the user has another address than the invited one.
            AlreadyMember: the user joined in another way.
        """
        invite = await self._opened(token)
        user = await self.users.get(user_id)
        if user.email != invite.email:
            raise InviteOfOtherAddress
        if user.email_verified_at is None:
            await self._prove(user)
        tenant = await self._join(invite, user.id)
        return await self.sessions.switch(user.id, session_id, tenant.slug)

    async def _opened(self, token: str) -> TenantInvite:
        invite = await self.invites.find_pending(digest(token)) if is_well_formed(token) else None
        if invite is None or invite.expires_at <= utcnow():
            raise self.ended
        await self._require_open(invite.tenant_id)
        return invite

    async def _require_open(self, tenant_id: UUID) -> None:
        status = await self.tenants.status(tenant_id)
        if status is not TenantStatus.READY:
            raise _CLOSED.get(status, TenantNotReady)()

    async def _require_sender(self, invite: TenantInvite) -> None:
        # The role is held: a demotion at this moment has happened before, or waits and finds the invite accepted.
        if invite.invited_by is None:
            raise self.ended
        role = await self.memberships.hold_role(invite.tenant_id, invite.invited_by)
        if role is None or not role.may_invite(invite.role):
            raise self.ended

    async def _prove(self, user: User) -> None:
        before = user_read(user)
        await self.users.update(user, {"email_verified_at": utcnow()})
        await self.audit.record(
            "user.verified", "user", user.id, before=before, after=user_read(user), user_id=user.id
        )

    async def _join(self, invite: TenantInvite, user_id: UUID) -> UserTenant:
        await self._require_sender(invite)
        tenant_id, before = invite.tenant_id, invite_read(invite)
        await self.memberships.add(
            UserTenantMembership(tenant_id=tenant_id, user_id=user_id, role=invite.role)
        )
        accepted = {
            "status": InviteStatus.ACCEPTED,
            "accepted_by": user_id,
            "resolved_at": utcnow(),
        }
        after = invite_read(await self.invites.update(invite, accepted))
        member = await self.memberships.read_member(tenant_id, user_id)
        await self.audit.record(
            "invite.accepted",
            "invite",
            invite.id,
            before=before,
            after=after,
            tenant_id=tenant_id,
            user_id=user_id,
        )
        await self.audit.record(
            "member.joined",
            "member",
            user_id,
            after=member,
            tenant_id=tenant_id,
            user_id=user_id,
        )
        tenant = await self.memberships.tenant_by_id(user_id, tenant_id)
        if tenant is None:
            raise TenantDeleted
        return tenant
