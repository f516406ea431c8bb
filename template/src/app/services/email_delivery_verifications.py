"""Writes the mails of `email_verifications` as well."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.core.db.database import Database
from app.core.db.sessions import LobbySession
from app.core.identifiers import utcnow
from app.core.mail import Mailer, Message
from app.core.settings import Settings
from app.core.verification_texts import Registered, VerificationTexts
from app.models.public.email_verifications import EmailVerification
from app.models.public.users import User
from app.models.public.workflow_executions import WorkflowExecution
from app.repositories.public.email_verifications import MAX_LISTED, EmailVerificationRepository
from app.repositories.public.users import UserRepository
from app.services.email_delivery import EmailDelivery, find_tenant, find_user, mail_of, remaining
from app.services.workflow_requests import Mail


class VerificationDelivery(EmailDelivery):
    """Sends every mail of the service."""

    def __init__(self, database: Database, mailer: Mailer, settings: Settings) -> None:
        super().__init__(database, mailer, settings)
        self.verification_texts = VerificationTexts(settings.public_url)

    async def _message(self, session: LobbySession, execution: WorkflowExecution) -> Message | None:
        mail = mail_of(execution)
        if mail in (Mail.INVITE, Mail.WELCOME):
            return await super()._message(session, execution)
        subject = UUID(execution.payload["subject"])
        if mail is Mail.REGISTRATIONS:
            ids = [UUID(id) for id in execution.payload.get("registrations", [])]
            return await self._registrations(session, subject, ids)
        return await self._verification(session, mail, subject)

    async def _verification(self, session: LobbySession, mail: Mail, id: UUID) -> Message | None:
        row = await session.scalar(
            select(EmailVerification).where(col(EmailVerification.id) == id).with_for_update()
        )
        if row is None or row.used_at is not None or row.expires_at <= utcnow():
            return None
        user = await find_user(session, row.user_id)
        if user is None:
            return None
        if mail is Mail.RESET_PASSWORD:
            token = self._token(row.purpose.value, row)
            await session.flush()
            return self.verification_texts.password_reset(
                user.email,
                full_name=user.full_name,
                proven=user.email_verified_at is not None,
                token=token,
                valid=remaining(row),
            )
        registered = await self._registered(session, row, user)
        if registered is None:
            return None
        # The address may have been proven since the mail was requested.
        if user.email_verified_at is None:
            return self.verification_texts.verify_email(user.email, registered)
        return self.verification_texts.account_exists(user.email, user.full_name, registered)

    async def _registrations(
        self, session: LobbySession, user_id: UUID, ids: Sequence[UUID]
    ) -> Message | None:
        # Locked, as by who ends registrations: of two that lock several rows, one waits here.
        user = await UserRepository(session).find(user_id)
        if user is None:
            return None
        rows = await EmailVerificationRepository(session).listed(ids)
        found = [await self._registered(session, row, user) for row in rows]
        registered = [registration for registration in found if registration is not None]
        if not registered:
            return None
        return self.verification_texts.registrations(
            user.email,
            registered,
            proven=user.email_verified_at is not None,
            complete=len(ids) < MAX_LISTED,
        )

    async def _registered(
        self, session: LobbySession, row: EmailVerification, user: User
    ) -> Registered | None:
        tenant = await find_tenant(session, row.tenant_id)
        if tenant is None:
            return None
        token = self._token(row.purpose.value, row)
        await session.flush()
        return Registered(
            full_name=row.full_name or user.full_name,
            tenant_name=tenant.name,
            tenant_slug=tenant.slug,
            at=row.created_at,
            token=token,
            valid=remaining(row),
        )
