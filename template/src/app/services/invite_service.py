"""Changes to a tenant's invites: who may make them, and the audit trail."""

from datetime import timedelta
from uuid import UUID

from app.core.errors import AlreadyMember, InviteNotPending
from app.core.identifiers import utcnow
from app.core.roles import Role
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.tenant_invites import InviteRepository, invite_read
from app.repositories.public.tenants import TenantRegistry
from app.schemas.invites import InviteCreate, InviteRead
from app.services.acting_member import ActingMember
from app.services.audit_trail import AuditTrail
from app.services.invite_endings import end_invite, record_end
from app.services.workflow_requests import Mail, WorkflowRequests


class InviteService:
    """Works inside the caller's transaction; never commits (ADR 0003).

    Every method holds the roles of the tenant as they are, and raises `RoleRequired` if the caller's was lowered since
    admission.
    """

    def __init__(
        self,
        tenants: TenantRegistry,
        invites: InviteRepository,
        memberships: MembershipRepository,
        requests: WorkflowRequests,
        audit: AuditTrail,
        caller: ActingMember,
        *,
        ttl: timedelta,
    ) -> None:
        self.tenants = tenants
        self.invites = invites
        self.memberships = memberships
        self.requests = requests
        self.audit = audit
        self.caller = caller
        self.ttl = ttl

    async def create(self, data: InviteCreate) -> InviteRead:
        """Invite an address, which gets a mail.

        Raises:
            RoleRequired: the invite is to become an owner, and the caller is none.
            AlreadyMember: the address is a member's.
            InvitePending: the address has an invite that can be accepted.
        """
        self._require_right(data.role)
        tenant_id = self.caller.tenant_id
        await self.tenants.get(tenant_id)
        if await self.memberships.find_member(tenant_id, data.email):
            raise AlreadyMember
        await self._make_room(tenant_id, data.email)
        await self.caller.require_unchanged(self.memberships)
        invite = await self.invites.add(
            TenantInvite(
                tenant_id=tenant_id,
                email=data.email,
                role=data.role,
                invited_by=self.caller.user_id,
                expires_at=utcnow() + self.ttl,
            )
        )
        await self._send(invite)
        created = invite_read(invite)
        await self.audit.record("invite.created", "invite", invite.id, after=created)
        return created

    async def resend(self, id: UUID) -> InviteRead:
        """Send the mail again and restart the invite's time. Its token stays the same.

        The caller answers for the invite from now on, in place of who sent it before.

        Raises:
            NotFound: the tenant has no such invite.
            RoleRequired: the invite is to become an owner, and the caller is none.
            InviteNotPending: it has ended.
        """
        invite = await self._pending(id)
        before = invite_read(invite)
        changes = {"expires_at": utcnow() + self.ttl, "invited_by": self.caller.user_id}
        after = invite_read(await self.invites.update(invite, changes))
        await self._send(invite)
        await self.audit.record("invite.resent", "invite", id, before=before, after=after)
        return after

    async def cancel(self, id: UUID) -> None:
        """Make the invite's token worthless.

        Raises:
            NotFound: the tenant has no such invite.
            RoleRequired: the invite is to become an owner, and the caller is none.
            InviteNotPending: it has ended.
        """
        invite = await self._pending(id)
        await end_invite(self.invites, self.audit, invite, InviteStatus.CANCELLED)

    async def _make_room(self, tenant_id: UUID, email: str) -> None:
        for invite in await self.invites.pending_of(tenant_id, email=email):
            await record_end(self.invites, self.audit, invite)

    async def _pending(self, id: UUID) -> TenantInvite:
        tenant_id = self.caller.tenant_id
        await self.tenants.get(tenant_id)
        invite = await self.invites.get_of(tenant_id, id)
        self._require_right(invite.role)
        shown = await self.invites.read(tenant_id, id)
        if shown.status is not InviteStatus.PENDING:
            raise InviteNotPending(f"The invite is {shown.status}.")
        # Invites are locked before memberships, as an acceptance does.
        await self.caller.require_unchanged(self.memberships)
        return invite

    def _require_right(self, role: Role) -> None:
        if role is Role.OWNER:
            self.caller.require_owner()

    async def _send(self, invite: TenantInvite) -> None:
        await self.requests.send_email(Mail.INVITE, invite.id, tenant_id=invite.tenant_id)
