"""Writes and sends the mails that were requested.

A token is derived when its mail is written, and its row then gets the digest (ADR 0006): neither rows nor an engine's
history ever hold a token or an address.
"""

from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.core.db.database import Database
from app.core.db.sessions import LobbySession
from app.core.identifiers import utcnow
from app.core.mail import MailDelayed, Mailer, Message
from app.core.mail_texts import MailTexts
from app.core.security.opaque_tokens import DerivedTokens, digest
from app.core.settings import Settings
from app.core.tenant_urls import TenantUrls
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.models.public.tenants import Tenant
from app.models.public.users import User
from app.models.public.workflow_executions import WorkflowExecution
from app.repositories.public.tenant_invites import InviteRepository
from app.repositories.public.workflow_queue import WorkflowQueue
from app.services.workflow_requests import Mail

INVITE_PURPOSE: Final = "invite"


class HasToken(Protocol):
    """A row whose token is mailed; the digest is written when the mail is."""

    id: UUID
    token_hash: bytes | None
    expires_at: datetime


def mail_of(execution: WorkflowExecution) -> Mail:
    """Return which mail is to be sent.

    Raises:
        MailDelayed: this release knows no such mail; while a newer one is rolled out, its processes send it.
    """
    try:
        return Mail(execution.payload["mail"])
    except ValueError:
        raise MailDelayed(f"no such mail in this release: {execution.payload['mail']}") from None


class EmailDelivery:
    """Sending an execution's mail again sends the same token again."""

    def __init__(self, database: Database, mailer: Mailer, settings: Settings) -> None:
        self.database = database
        self.mailer = mailer
        self.texts = MailTexts(TenantUrls(settings))
        self.tokens = DerivedTokens(settings.auth)

    async def send(self, execution_id: UUID) -> None:
        """Send the mail, unless what it speaks of was used, cancelled or removed, or has expired.

        Raises:
            MailRefused: the mail server refuses it for good.
            MailDelayed: the mail server cannot take it now.
        """
        async with self.database.lobby() as session:
            message = await self._requested(session, execution_id)
        # The digest is committed: whoever is quick to use the token finds it.
        if message is not None:
            await self.mailer.send(message)

    async def _requested(self, session: LobbySession, execution_id: UUID) -> Message | None:
        if not await WorkflowQueue(session).is_open(execution_id):
            return None
        execution = await session.scalar(
            select(WorkflowExecution).where(col(WorkflowExecution.id) == execution_id)
        )
        return None if execution is None else await self._message(session, execution)

    async def _message(self, session: LobbySession, execution: WorkflowExecution) -> Message | None:
        subject = UUID(execution.payload["subject"])
        if mail_of(execution) is Mail.INVITE:
            return await self._invite(session, subject)
        return await self._welcome(session, subject, execution.tenant_id)

    async def _invite(self, session: LobbySession, id: UUID) -> Message | None:
        row = await session.scalar(
            select(TenantInvite).where(col(TenantInvite.id) == id).with_for_update()
        )
        if row is None or row.invited_by is None:
            return None
        shown = await InviteRepository(session).read(row.tenant_id, id)
        if shown.status is not InviteStatus.PENDING:
            return None
        tenant = await find_tenant(session, row.tenant_id)
        sender = await find_user(session, row.invited_by)
        if tenant is None or sender is None:
            return None
        token = self._token(INVITE_PURPOSE, row)
        await session.flush()
        return self.texts.invite(
            row.email,
            invited_by=sender.full_name,
            tenant_name=tenant.name,
            tenant_slug=tenant.slug,
            role=row.role,
            token=token,
            valid=remaining(row),
        )

    async def _welcome(
        self, session: LobbySession, id: UUID, tenant_id: UUID | None
    ) -> Message | None:
        user, tenant = await find_user(session, id), await find_tenant(session, tenant_id)
        if user is None or tenant is None:
            return None
        return self.texts.welcome(
            user.email, full_name=user.full_name, tenant_name=tenant.name, tenant_slug=tenant.slug
        )

    def _token(self, purpose: str, row: HasToken) -> str:
        if row.token_hash is not None:
            try:
                return self.tokens.recover(purpose, row.id, row.token_hash)
            except LookupError:
                # Its key was removed from the settings: the earlier mail's token ends here.
                pass
        token = self.tokens.derive(purpose, row.id)
        row.token_hash = digest(token)
        return token


def remaining(row: HasToken) -> timedelta:
    """Return how long the row's token can still be used."""
    return row.expires_at - utcnow()


async def find_user(session: LobbySession, id: UUID) -> User | None:
    """Return a user, unlocked."""
    return await session.scalar(select(User).where(col(User.id) == id))


async def find_tenant(session: LobbySession, id: UUID | None) -> Tenant | None:
    """Return a tenant, unlocked."""
    return await session.scalar(select(Tenant).where(col(Tenant.id) == id))
