"""How the members of a tenant have to sign in."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.functions import Function
from sqlmodel import col

from app.core.identifiers import utcnow
from app.models.public.refresh_tokens import RefreshToken
from app.models.public.tenant_sign_in_rules import TenantSignInRule
from app.models.public.tenants import Tenant
from app.models.public.vouched_sessions import VouchedSession
from app.repositories.base import LobbyRepository


class TenantSignInRuleRepository(LobbyRepository[TenantSignInRule]):
    model = TenantSignInRule

    async def requires_provider(self, tenant_id: UUID) -> bool:
        """Tell whether the tenant's members must come through the provider."""
        rule = select(col(TenantSignInRule.requires_provider))
        return bool(
            await self.session.scalar(rule.where(col(TenantSignInRule.tenant_id) == tenant_id))
        )

    async def provider_required(self, session_id: UUID, tenant_ids: Sequence[UUID]) -> set[UUID]:
        """Return those of some tenants that require the provider, if it does not vouch for the session.

        To have the answer hold until the transaction ends, `keep` the rule before.
        """
        if not tenant_ids:
            return set()
        # The function that admission asks as well.
        closed = func.public.provider_required(col(Tenant.id), session_id)
        found = select(col(Tenant.id)).where(col(Tenant.id).in_(tenant_ids), closed)
        return set(await self.session.scalars(found))

    async def keep(self, tenant_id: UUID) -> None:
        """Let the rule be as it is until the transaction ends; wait for who is changing it."""
        # Not by the tenant's row, which is locked for as long as its schema is migrated or dropped.
        await self.session.execute(select(func.pg_advisory_xact_lock_shared(_key(tenant_id))))

    async def hold_to_change(self, tenant_id: UUID) -> bool:
        """Return the rule, to change it: wait for everybody who keeps it, and let nobody keep it until the transaction ends."""
        await self.session.execute(select(func.pg_advisory_xact_lock(_key(tenant_id))))
        return await self.requires_provider(tenant_id)

    async def set(self, tenant_id: UUID, *, requires_provider: bool) -> None:
        """Write the rule, which is held to be changed."""
        values = {"requires_provider": requires_provider, "updated_at": utcnow()}
        await self.session.execute(
            insert(TenantSignInRule)
            .values(tenant_id=tenant_id, **values)
            .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
        )

    async def end_other_sessions(self, tenant_id: UUID) -> int:
        """End the tenant's sessions that the provider does not vouch for; return how many there were."""
        vouched = exists().where(col(VouchedSession.id) == col(RefreshToken.family_id))
        ended = await self.session.execute(
            update(RefreshToken)
            .where(
                col(RefreshToken.tenant_id) == tenant_id,
                col(RefreshToken.spent_at).is_(None),
                col(RefreshToken.revoked_at).is_(None),
                ~vouched,
            )
            .values(revoked_at=utcnow())
            .returning(col(RefreshToken.id))
            .execution_options(synchronize_session=False)
        )
        return len(ended.all())


def _key(tenant_id: UUID) -> Function[int]:
    return func.hashtextextended(f"sign_in_rule:{tenant_id}", 0)
