"""How the members of the current tenant have to sign in: who may change it, and what that ends."""

from uuid import UUID

from app.core.db.sessions import LobbySession
from app.core.sign_in_rule_errors import ProviderRequired
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.tenant_sign_in_rules import TenantSignInRuleRepository
from app.repositories.public.vouched_sessions import VouchedSessionRepository
from app.schemas.tenant_sign_in import SignInRule
from app.services.acting_member import ActingMember
from app.services.audit_trail import AuditTrail


class TenantSignInService:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(self, session: LobbySession, audit: AuditTrail, caller: ActingMember) -> None:
        self.memberships = MembershipRepository(session)
        self.rules = TenantSignInRuleRepository(session)
        self.vouches = VouchedSessionRepository(session)
        self.audit = audit
        self.caller = caller

    async def read(self) -> SignInRule:
        """Return the tenant's rule."""
        required = await self.rules.requires_provider(self.caller.tenant_id)
        return SignInRule(requires_provider=required)

    async def change(self, rule: SignInRule, *, session_id: UUID) -> SignInRule:
        """Set the rule; one that requires the provider ends every session that it does not vouch for.

        Raises:
            RoleRequired: the caller is no owner, or not any more.
            AssumedIdentityForbidden: a superuser assumes the identity.
            ProviderRequired: the caller would be locked out: the provider does not vouch for this session.
        """
        self.caller.require_owner()
        # Before the rule, as an acceptance locks its sender's role before it reads the rule.
        await self.caller.require_unchanged(self.memberships)
        tenant_id = self.caller.tenant_id
        before = SignInRule(requires_provider=await self.rules.hold_to_change(tenant_id))
        if rule.requires_provider and not await self.vouches.has(session_id):
            raise ProviderRequired("Sign in through the identity provider before you require it.")
        await self.rules.set(tenant_id, requires_provider=rule.requires_provider)
        if rule.requires_provider:
            await self.rules.end_other_sessions(tenant_id)
        if rule != before:
            await self.audit.record(
                "tenant.sign_in_changed", "tenant", tenant_id, before=before, after=rule
            )
        return rule
