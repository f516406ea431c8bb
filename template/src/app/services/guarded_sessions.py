"""Sessions that know whether the identity provider vouches for them, and tenants that ask for it."""

from uuid import UUID

from app.core.db.sessions import LobbySession
from app.core.security.access_tokens import AccessTokens
from app.core.security.token_settings import TokenSettings
from app.core.sign_in_rule_errors import ProviderRequired
from app.models.public.vouched_sessions import VouchedSession
from app.repositories.public.refresh_tokens import HeldToken, SessionFacts
from app.repositories.public.tenant_sign_in_rules import TenantSignInRuleRepository
from app.repositories.public.vouched_sessions import VouchedSessionRepository
from app.schemas.sessions import Tokens
from app.schemas.users import UserTenant
from app.services.audit_trail import AuditTrail
from app.services.session_service import SessionService


class GuardedSessions(SessionService):
    """No token of a tenant that requires the provider is issued in a session that was begun otherwise.

    Each method may raise `ProviderRequired`.
    """

    def __init__(
        self,
        session: LobbySession,
        audit: AuditTrail,
        access_tokens: AccessTokens,
        settings: TokenSettings,
        *,
        user_agent: str | None,
        vouched: bool = False,
    ) -> None:
        super().__init__(session, audit, access_tokens, settings, user_agent=user_agent)
        self.vouches = VouchedSessionRepository(session)
        self.rules = TenantSignInRuleRepository(session)
        self.vouched = vouched

    async def switch(self, user_id: UUID, session_id: UUID, slug: str) -> Tokens:
        """Start a session of its own in another tenant, vouched for as the session it comes from is."""
        self.vouched = await self.vouches.has(session_id)
        return await super().switch(user_id, session_id, slug)

    async def _hold(self, token: str) -> HeldToken | None:
        held = await super()._hold(token)
        if held is not None and held.tenant_id is not None:
            # Before the token is spent: who changes the rule ends sessions, and with them their tokens.
            await self.rules.keep(held.tenant_id)
        return held

    async def _begin(self, facts: SessionFacts, tenant: UserTenant | None) -> Tokens:
        if self.vouched:
            await self.vouches.add(
                VouchedSession(
                    id=facts.family_id, user_id=facts.user_id, expires_at=facts.session_expires_at
                )
            )
        return await super()._begin(facts, tenant)

    async def _issue(self, facts: SessionFacts, tenant: UserTenant | None) -> Tokens:
        if tenant is not None:
            # A statement of its own: one that has waited for a lock sees everything as it was before.
            await self.rules.keep(tenant.id)
            if await self.rules.provider_required(facts.family_id, [tenant.id]):
                raise ProviderRequired
        return await super()._issue(facts, tenant)
