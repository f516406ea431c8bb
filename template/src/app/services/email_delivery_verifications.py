"""Writes the mails of `email_verifications` as well."""

from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.core import about
from app.core.db.database import Database
from app.core.db.sessions import LobbySession
from app.core.identifiers import utcnow
from app.core.mail import Mailer, Message
from app.core.settings import Settings
from app.core.verification_texts import VerificationTexts
from app.models.public.email_verifications import EmailVerification
from app.models.public.workflow_executions import WorkflowExecution
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
        return await self._verification(session, mail, UUID(execution.payload["subject"]))

    async def _verification(self, session: LobbySession, mail: Mail, id: UUID) -> Message | None:
        row = await session.scalar(
            select(EmailVerification).where(col(EmailVerification.id) == id).with_for_update()
        )
        if row is None or row.used_at is not None or row.expires_at <= utcnow():
            return None
        user = await find_user(session, row.user_id)
        if user is None:
            return None
        token = self._token(row.purpose.value, row)
        await session.flush()
        to, name, valid = user.email, row.full_name or user.full_name, remaining(row)
        if mail is Mail.RESET_PASSWORD:
            return self.verification_texts.password_reset(
                to, full_name=name, token=token, valid=valid
            )
        tenant = await find_tenant(session, row.tenant_id)
        workspace = tenant.name if tenant else about.NAME
        if mail is Mail.VERIFY_EMAIL:
            return self.verification_texts.verify_email(
                to, full_name=name, tenant_name=workspace, token=token, valid=valid
            )
        return self.verification_texts.account_exists(
            to, full_name=user.full_name, tenant_name=workspace, token=token, valid=valid
        )
