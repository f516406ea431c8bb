"""What platform superusers do to users."""

from uuid import UUID

from app.core.errors import AssumedIdentityForbidden, NotFound
from app.core.security.access_tokens import AccessTokens
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.users import UserRepository
from app.schemas.admin import AssumedIdentity, IdentityAssumption
from app.services.audit_trail import AuditTrail


class AdminService:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(
        self,
        users: UserRepository,
        memberships: MembershipRepository,
        access_tokens: AccessTokens,
        audit: AuditTrail,
    ) -> None:
        self.users = users
        self.memberships = memberships
        self.access_tokens = access_tokens
        self.audit = audit

    async def assume_identity(
        self, data: IdentityAssumption, *, superuser_id: UUID, session_id: UUID
    ) -> AssumedIdentity:
        """Return an access token of a tenant's member; it ends with the superuser's own session.

        The tenant's audit log says who did it and why, and names the superuser in each row that follows.

        Raises:
            NotFound: the tenant has no such member.
            AssumedIdentityForbidden: the member is a superuser.
        """
        tenant = await self.memberships.tenant_by_id(data.user_id, data.tenant_id)
        if tenant is None:
            raise NotFound("The tenant has no such member.")
        user = await self.users.read(data.user_id)
        if user.is_superuser:
            raise AssumedIdentityForbidden("Nobody assumes the identity of a superuser.")
        access_token, expires_in = self.access_tokens.issue(
            user_id=data.user_id,
            session_id=session_id,
            tenant_id=tenant.id,
            tenant_slug=tenant.slug,
            role=tenant.role,
            actor_id=superuser_id,
        )
        await self.audit.record(
            "identity.assumed", "user", data.user_id, after=data, tenant_id=tenant.id
        )
        return AssumedIdentity(access_token=access_token, expires_in=expires_in)
