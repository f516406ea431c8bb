"""Ways into a tenant's data from outside it: closed to sessions that its sign-in rule does not admit.

Admission keeps the same rule at the tenant's own routes, and `GuardedSessions` where a session starts.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from app.core.db.sessions import LobbySession
from app.core.security.access_tokens import AccessTokens
from app.core.sign_in_rule_errors import ProviderRequired
from app.models.public.tenants import Tenant, TenantStatus
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.tenant_sign_in_rules import TenantSignInRuleRepository
from app.repositories.public.tenants import TenantRegistry
from app.repositories.public.users import UserRepository
from app.schemas.admin import AdminTenantRead, AssumedIdentity, IdentityAssumption
from app.schemas.base import Page, PageRequest
from app.schemas.tenants import TenantRead
from app.services.admin_service import AdminService
from app.services.audit_trail import AuditTrail
from app.services.tenant_lifecycle import TenantLifecycle
from app.services.workflow_requests import WorkflowRequests


class GuardedTenants(TenantRegistry):
    """The tenants as one session may see them: names and states, and metadata where it may enter."""

    def __init__(self, session: LobbySession, session_id: UUID) -> None:
        super().__init__(session)
        self.rules = TenantSignInRuleRepository(session)
        self.session_id = session_id

    async def page_of_member(self, user_id: UUID, request: PageRequest) -> Page[TenantRead]:
        """Return the tenants that a user belongs to, newest first."""
        page = await super().page_of_member(user_id, request)
        return page.model_copy(update={"items": await self.shown(page.items)})

    async def read_by_slug(self, slug: str, *, user_id: UUID) -> TenantRead:
        """Return one of a user's tenants.

        Raises:
            TenantNotFound: there is none, or the user is no member.
        """
        [tenant] = await self.shown([await super().read_by_slug(slug, user_id=user_id)])
        return tenant

    async def page(
        self, request: PageRequest, *, status: TenantStatus | None
    ) -> Page[AdminTenantRead]:
        """Return every user's tenants, newest first."""
        page = await super().page(request, status=status)
        return page.model_copy(update={"items": await self.shown(page.items)})

    async def shown[T: (TenantRead, AdminTenantRead)](self, tenants: Sequence[T]) -> list[T]:
        """Return tenants without the metadata that the session may not see."""
        ids = [tenant.id for tenant in tenants]
        closed = await self.rules.provider_required(self.session_id, ids)
        return [
            tenant.model_copy(update={"metadata": None}) if tenant.id in closed else tenant
            for tenant in tenants
        ]


class GuardedLifecycle(TenantLifecycle):
    """Answers with what the session may see of the tenant that it moved."""

    def __init__(
        self,
        tenants: GuardedTenants,
        requests: WorkflowRequests,
        audit: AuditTrail,
        *,
        deletion_grace: timedelta,
    ) -> None:
        super().__init__(tenants, requests, audit, deletion_grace=deletion_grace)
        self.shown = tenants.shown

    async def _move(self, tenant: Tenant, action: str, **changes: object) -> AdminTenantRead:
        [moved] = await self.shown([await super()._move(tenant, action, **changes)])
        return moved


class GuardedAdmin(AdminService):
    """Lends nobody's identity in a tenant that the superuser's own session could not enter."""

    def __init__(
        self,
        users: UserRepository,
        memberships: MembershipRepository,
        access_tokens: AccessTokens,
        audit: AuditTrail,
        rules: TenantSignInRuleRepository,
    ) -> None:
        super().__init__(users, memberships, access_tokens, audit)
        self.rules = rules

    async def assume_identity(
        self, data: IdentityAssumption, *, superuser_id: UUID, session_id: UUID
    ) -> AssumedIdentity:
        """Return an access token of a tenant's member, as `AdminService` does.

        Raises:
            ProviderRequired: the tenant requires the provider, and the superuser signed in with a password.
        """
        if await self.rules.provider_required(session_id, [data.tenant_id]):
            raise ProviderRequired
        return await super().assume_identity(data, superuser_id=superuser_id, session_id=session_id)
