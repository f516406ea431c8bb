"""Writes and sends the mails that were requested.

A token is derived when its mail is written, and its row then gets the digest (ADR 0006): neither rows nor an engine's
history ever hold a token or an address.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.core import about
from app.core.db.database import Database
from app.core.db.sessions import LobbySession
from app.core.identifiers import utcnow
from app.core.mail import Mailer, Message
from app.core.mail_texts import MailTexts
from app.core.security.opaque_tokens import DerivedTokens, digest
from app.models.public.email_verifications import EmailVerification
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.models.public.tenants import Tenant
from app.models.public.users import User
from app.models.public.workflow_executions import WorkflowExecution
from app.repositories.public.workflow_queue import WorkflowQueue
from app.services.workflow_requests import Mail

INVITE_PURPOSE: Final = "invite"


class EmailDelivery:
    """Sending an execution's mail again sends the same token again."""

    def __init__(
        self, database: Database, mailer: Mailer, texts: MailTexts, tokens: DerivedTokens
    ) -> None:
        self.database = database
        self.mailer = mailer
        self.texts = texts
        self.tokens = tokens

    async def send(self, execution_id: UUID) -> None:
        """Send the mail, unless what it speaks of was used, cancelled or removed, or has expired.

        Raises:
            MailRefused: the mail server refuses it for good.
            MailDelayed: the mail server cannot take it now.
        """
        async with self.database.lobby() as session:
            message = await self._message(session, execution_id)
        # The digest is committed: whoever is quick to use the token finds it.
        if message is not None:
            await self.mailer.send(message)

    async def _message(self, session: LobbySession, execution_id: UUID) -> Message | None:
        if not await WorkflowQueue(session).is_open(execution_id):
            return None
        execution = await session.scalar(
            select(WorkflowExecution).where(col(WorkflowExecution.id) == execution_id)
        )
        if execution is None:
            return None
        mail, subject = Mail(execution.payload["mail"]), UUID(execution.payload["subject"])
        match mail:
            case Mail.INVITE:
                return await self._invite(session, subject)
            case Mail.WELCOME:
                return await self._welcome(session, subject, execution.tenant_id)
            case _:
                return await self._verification(session, mail, subject)

    async def _verification(self, session: LobbySession, mail: Mail, id: UUID) -> Message | None:
        row = await session.scalar(
            select(EmailVerification).where(col(EmailVerification.id) == id).with_for_update()
        )
        if row is None or row.used_at is not None or row.expires_at <= utcnow():
            return None
        user = await _user(session, row.user_id)
        if user is None:
            return None
        token = self._token(row.purpose.value, row)
        await session.flush()
        to, name, valid = user.email, row.full_name or user.full_name, _remaining(row)
        if mail is Mail.RESET_PASSWORD:
            return self.texts.password_reset(to, full_name=name, token=token, valid=valid)
        tenant = await _tenant(session, row.tenant_id)
        workspace = tenant.name if tenant else about.NAME
        if mail is Mail.VERIFY_EMAIL:
            return self.texts.verify_email(
                to, full_name=name, tenant_name=workspace, token=token, valid=valid
            )
        return self.texts.account_exists(
            to, full_name=user.full_name, tenant_name=workspace, token=token, valid=valid
        )

    async def _invite(self, session: LobbySession, id: UUID) -> Message | None:
        row = await session.scalar(
            select(TenantInvite).where(col(TenantInvite.id) == id).with_for_update()
        )
        if row is None or row.status is not InviteStatus.PENDING or row.expires_at <= utcnow():
            return None
        tenant = await _tenant(session, row.tenant_id)
        if tenant is None:
            return None
        inviter = None if row.invited_by is None else await _user(session, row.invited_by)
        token = self._token(INVITE_PURPOSE, row)
        await session.flush()
        return self.texts.invite(
            row.email,
            invited_by=inviter.full_name if inviter else about.NAME,
            tenant_name=tenant.name,
            tenant_slug=tenant.slug,
            role=row.role,
            token=token,
            valid=_remaining(row),
        )

    async def _welcome(
        self, session: LobbySession, id: UUID, tenant_id: UUID | None
    ) -> Message | None:
        user, tenant = await _user(session, id), await _tenant(session, tenant_id)
        if user is None or tenant is None:
            return None
        return self.texts.welcome(
            user.email, full_name=user.full_name, tenant_name=tenant.name, tenant_slug=tenant.slug
        )

    def _token(self, purpose: str, row: EmailVerification | TenantInvite) -> str:
        if row.token_hash is not None:
            try:
                return self.tokens.recover(purpose, row.id, row.token_hash)
            except LookupError:
                # Its key was removed from the settings: the earlier mail's token ends here.
                pass
        token = self.tokens.derive(purpose, row.id)
        row.token_hash = digest(token)
        return token


def _remaining(row: EmailVerification | TenantInvite) -> timedelta:
    return row.expires_at - utcnow()


async def _user(session: LobbySession, id: UUID) -> User | None:
    return await session.scalar(select(User).where(col(User.id) == id))


async def _tenant(session: LobbySession, id: UUID | None) -> Tenant | None:
    return await session.scalar(select(Tenant).where(col(Tenant.id) == id))
