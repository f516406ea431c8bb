"""Changes to a tenant's members: who may make them, and the audit trail."""

from uuid import UUID

from app.core.errors import LastOwner, RoleRequired
from app.core.roles import Role
from app.models.public.user_tenant_membership import UserTenantMembership
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.refresh_tokens import RefreshTokenRepository
from app.repositories.public.tenants import TenantRegistry
from app.schemas.members import MemberRead
from app.services.acting_member import ActingMember
from app.services.audit_trail import AuditTrail


class MemberService:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(
        self,
        tenants: TenantRegistry,
        memberships: MembershipRepository,
        sessions: RefreshTokenRepository,
        audit: AuditTrail,
        caller: ActingMember,
    ) -> None:
        self.tenants = tenants
        self.memberships = memberships
        self.sessions = sessions
        self.audit = audit
        self.caller = caller

    async def change_role(self, user_id: UUID, role: Role) -> MemberRead:
        """Give a member another role.

        Raises:
            NotFound: the tenant has no such member.
            RoleRequired: the member is or becomes an owner, and the caller is none.
            AssumedIdentityForbidden: the member is or becomes an owner, and a superuser assumes the identity.
            LastOwner: the tenant would be left without one.
        """
        if role is Role.OWNER:
            self.caller.require_owner()
        membership = await self._locked(user_id)
        before = await self._read(user_id)
        if membership.role is role:
            return before
        if membership.role is Role.OWNER:
            await self._require_other_owner(user_id)
        await self.memberships.update(membership, {"role": role})
        after = before.model_copy(update={"role": role})
        await self.audit.record("member.role_changed", "member", user_id, before=before, after=after)
        return after

    async def remove(self, user_id: UUID) -> None:
        """Take a member out of the tenant.

        Raises:
            NotFound: the tenant has no such member.
            RoleRequired: the member is an owner, and the caller is none.
            AssumedIdentityForbidden: the member is an owner, and a superuser assumes the identity.
            LastOwner: the tenant would be left without one.
        """
        membership = await self._locked(user_id)
        before = await self._read(user_id)
        if membership.role is Role.OWNER:
            await self._require_other_owner(user_id)
        await self.memberships.remove(membership)
        await self.audit.record("member.removed", "member", user_id, before=before)
