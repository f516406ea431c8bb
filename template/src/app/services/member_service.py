"""Changes to a tenant's members: who may make them, and the audit trail."""

from datetime import timedelta
from uuid import UUID

from app.core.errors import LastOwner
from app.core.identifiers import utcnow
from app.core.roles import Role
from app.models.public.tenant_invites import InviteStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.refresh_tokens import RefreshTokenRepository
from app.repositories.public.tenant_invites import InviteRepository
from app.repositories.public.tenants import TenantRegistry
from app.repositories.public.users import UserRepository
from app.schemas.members import MemberRead
from app.services.acting_member import ActingMember
from app.services.audit_trail import AuditTrail
from app.services.invite_endings import end_invite, end_invites_from


class MemberService:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(
        self,
        tenants: TenantRegistry,
        memberships: MembershipRepository,
        invites: InviteRepository,
        users: UserRepository,
        sessions: RefreshTokenRepository,
        audit: AuditTrail,
        caller: ActingMember,
        *,
        access_ttl: timedelta,
    ) -> None:
        self.tenants = tenants
        self.memberships = memberships
        self.invites = invites
        self.users = users
        self.sessions = sessions
        self.audit = audit
        self.caller = caller
        self.access_ttl = access_ttl

    async def change_role(self, user_id: UUID, role: Role) -> MemberRead:
        """Give a member another role, and cancel the invites that they sent and may not hand out with it.

        Raises:
            NotFound: the tenant has no such member.
            RoleRequired: the member is or becomes an owner, and the caller is none.
            AssumedIdentityForbidden: the member is or becomes an owner, and a superuser assumes the identity.
            LastOwner: the tenant would be left without one.
        """
        if role is Role.OWNER:
            self.caller.require_owner()
        await self._hold_roles()
        await self._cancel_sent(user_id, role)
        membership = await self._to_change(user_id, role)
        before = await self.memberships.read_member(self.caller.tenant_id, user_id)
        await self.memberships.update(membership, {"role": role})
        after = before.model_copy(update={"role": role})
        if after != before:
            await self.audit.record(
                "member.role_changed", "member", user_id, before=before, after=after
            )
        return after

    async def remove(self, user_id: UUID) -> None:
        """Take a member out of the tenant, and cancel the invites that they sent and the one to their address.

        Raises:
            NotFound: the tenant has no such member.
            RoleRequired: the member is an owner, and the caller is none.
            AssumedIdentityForbidden: the member is an owner, and a superuser assumes the identity.
            LastOwner: the tenant would be left without one.
        """
        before = await self._begin_removal(user_id)
        membership = await self._to_change(user_id, None)
        await self._take_out(membership, before, "member.removed")

    async def leave(self) -> None:
        """Take the caller out, as `remove` does; a member of any role may.

        Raises:
            NotFound: the caller was removed meanwhile.
            LastOwner: the tenant would be left without one.
        """
        user_id = self.caller.user_id
        before = await self._begin_removal(user_id)
        membership = await self.memberships.get_of(self.caller.tenant_id, user_id)
        if membership.role is Role.OWNER:
            await self._require_other_owner(user_id)
        await self._take_out(membership, before, "member.left")

    async def _begin_removal(self, user_id: UUID) -> MemberRead:
        await self._hold_roles()
        member = await self.memberships.read_member(self.caller.tenant_id, user_id)
        # Invites, user, membership: in the order of an acceptance, so that one of the two waits.
        await self._cancel_invite(member.email)
        await self._cancel_sent(user_id, None)
        await self.users.get(user_id)
        return member

    async def _take_out(
        self, membership: UserTenantMembership, before: MemberRead, action: str
    ) -> None:
        await self.memberships.remove(membership)
        await self._let_sessions_expire(before.user_id)
        await self.audit.record(action, "member", before.user_id, before=before)

    async def _hold_roles(self) -> None:
        # Roles in a tenant change one at a time: of two owners who remove each other, one stays.
        await self.tenants.get(self.caller.tenant_id)

    async def _cancel_invite(self, email: str) -> None:
        # A member has one who got the invited address afterwards. It would bring them back.
        for invite in await self.invites.pending_of(self.caller.tenant_id, email=email):
            await end_invite(self.invites, self.audit, invite, InviteStatus.CANCELLED)

    async def _cancel_sent(self, user_id: UUID, role: Role | None) -> None:
        tenant_id = self.caller.tenant_id
        await end_invites_from(self.invites, self.audit, tenant_id, user_id, role=role)

    async def _to_change(self, user_id: UUID, role: Role | None) -> UserTenantMembership:
        membership = await self.memberships.get_of(self.caller.tenant_id, user_id)
        if membership.role is Role.OWNER:
            self.caller.require_owner()
            if role is not Role.OWNER:
                await self._require_other_owner(user_id)
        await self.caller.require_unchanged(self.memberships)
        return membership

    async def _require_other_owner(self, user_id: UUID) -> None:
        if await self.memberships.owners(self.caller.tenant_id) == [user_id]:
            raise LastOwner

    async def _let_sessions_expire(self, user_id: UUID) -> None:
        # They open nothing any more: a refresh is refused, an access token finds no such tenant. Once the last of those
        # has expired the sessions have too, so that a later invite revives none of them.
        await self.sessions.let_expire(
            user_id, self.caller.tenant_id, by=utcnow() + self.access_ttl
        )
