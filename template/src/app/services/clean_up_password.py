"""Removes registrations that nobody has proven."""

from datetime import timedelta

from sqlalchemy import Select, exists, func, or_, select
from sqlmodel import col

from app.core.db.database import Database
from app.core.settings import TenantSettings
from app.models.public.email_verifications import EmailVerification
from app.models.public.tenants import Tenant, TenantStatus
from app.repositories.public.tenants import TenantRegistry
from app.services.audit_trail import Actor, AuditTrail
from app.services.due_rows import BATCH, delete_due
from app.services.tenant_moves import move


class SignInCleanUp:
    """The part of the clean-up that is about signing in."""

    def __init__(self, database: Database, settings: TenantSettings) -> None:
        self.database = database
        self.settings = settings

    async def run(self) -> None:
        """Remove everything that is due."""
        # An expired verification can be sent again, as long as its tenant waits for it.
        kept = func.now() - self.settings.pending_ttl
        await delete_due(
            self.database, col(EmailVerification.id), col(EmailVerification.expires_at) < kept
        )
        while await self._delete_pending_tenants():
            pass

    async def _delete_pending_tenants(self) -> bool:
        async with self.database.lobby() as session:
            tenants = await session.scalars(_forgotten_tenants(self.settings.pending_ttl))
            registry, audit = TenantRegistry(session), AuditTrail(session, Actor())
            given_up = {"status": TenantStatus.DELETED}
            for tenant in tenants:
                await move(registry, audit, tenant, "tenant.deleted", given_up)
        return len(tenants) == BATCH


def _forgotten_tenants(ttl: timedelta) -> Select[Tenant]:
    can_be_verified = exists().where(
        col(EmailVerification.tenant_id) == col(Tenant.id),
        col(EmailVerification.used_at).is_(None),
        col(EmailVerification.expires_at) > func.now(),
    )
    return (
        select(Tenant)
        .where(
            col(Tenant.status) == TenantStatus.PENDING,
            col(Tenant.created_at) < func.now() - ttl,
            # Anybody can have the mail sent again, and would hold the slug for ever.
            or_(~can_be_verified, col(Tenant.created_at) < func.now() - 2 * ttl),
        )
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
