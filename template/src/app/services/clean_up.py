"""Removes what has expired, in batches that are transactions of their own."""

from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, delete, exists, func, select
from sqlmodel import col

from app.core.db.database import Database
from app.core.db.sessions import LobbySession
from app.core.identifiers import utcnow
from app.core.settings import TenantSettings
from app.models.public.email_verifications import EmailVerification
from app.models.public.refresh_tokens import RefreshToken
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind
from app.schemas.admin import AdminTenantRead
from app.schemas.invites import InviteRead
from app.services.audit_trail import Actor, AuditTrail

BATCH: Final = 500
"""Rows that one transaction changes, so that it holds its locks for a moment only."""


type _Expiring = RefreshToken | EmailVerification | WorkflowExecution


class CleanUp:
    """What the schedule runs. Running it twice, or twice at once, removes nothing more."""

    def __init__(self, database: Database, settings: TenantSettings) -> None:
        self.database = database
        self.settings = settings

    async def request(self) -> None:
        """Ask for a clean-up, unless one is waiting or running."""
        is_open = col(WorkflowExecution.finished_at).is_(None)
        query = select(
            exists().where(col(WorkflowExecution.kind) == WorkflowKind.CLEAN_UP, is_open)
        )
        async with self.database.lobby() as session:
            if not await session.scalar(query):
                await session.add(WorkflowExecution(kind=WorkflowKind.CLEAN_UP))

    async def run(self) -> None:
        """Remove everything that is due."""
        # An expired verification can be sent again, as long as its tenant waits for it.
        kept_verifications = func.now() - self.settings.pending_ttl
        kept_executions = func.now() - self.settings.workflow_retention
        await self._delete(RefreshToken, col(RefreshToken.expires_at) < func.now())
        await self._delete(
            EmailVerification, col(EmailVerification.expires_at) < kept_verifications
        )
        await self._delete(WorkflowExecution, col(WorkflowExecution.finished_at) < kept_executions)
        while await self._expire_invites():
            pass
        while await self._delete_pending_tenants():
            pass

    async def _delete(self, model: type[_Expiring], condition: ColumnElement[bool]) -> None:
        key = col(model.id)
        due = select(key).where(condition).limit(BATCH).with_for_update(skip_locked=True)
        removed = BATCH
        while removed == BATCH:
            async with self.database.lobby() as session:
                result = await session.execute(delete(model).where(key.in_(due)).returning(key))
                removed = len(result.all())

    async def _expire_invites(self) -> bool:
        lapsed = (
            select(TenantInvite)
            .where(
                col(TenantInvite.status) == InviteStatus.PENDING,
                col(TenantInvite.expires_at) < func.now(),
            )
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        async with self.database.lobby() as session:
            invites = await session.scalars(lapsed)
            for invite in invites:
                await _expire(session, invite)
        return len(invites) == BATCH

    async def _delete_pending_tenants(self) -> bool:
        async with self.database.lobby() as session:
            tenants = await session.scalars(_forgotten_tenants(self.settings.pending_ttl))
            for tenant in tenants:
                await _delete_pending(session, tenant)
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
            ~can_be_verified,
        )
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )


async def _expire(session: LobbySession, invite: TenantInvite) -> None:
    before = InviteRead.model_validate(invite, from_attributes=True)
    invite.status, invite.resolved_at = InviteStatus.EXPIRED, utcnow()
    await session.flush()
    await AuditTrail(session, Actor()).record(
        "invite.expired",
        "invite",
        invite.id,
        before=before,
        after=InviteRead.model_validate(invite, from_attributes=True),
        tenant_id=invite.tenant_id,
    )


async def _delete_pending(session: LobbySession, tenant: Tenant) -> None:
    before = AdminTenantRead.of(tenant)
    tenant.status = TenantStatus.DELETED
    await session.flush()
    await AuditTrail(session, Actor()).record(
        "tenant.deleted",
        "tenant",
        tenant.id,
        before=before,
        after=AdminTenantRead.of(tenant),
        tenant_id=tenant.id,
    )
