"""Registrations: a stranger names an address, and only who reads its mail makes that count (ADR 0007)."""

from app.core.db.sessions import LobbySession
from app.core.errors import TokenInvalid
from app.core.identifiers import utcnow, uuid7
from app.core.roles import Role
from app.core.security.opaque_tokens import digest, is_well_formed
from app.core.settings import AuthSettings
from app.models.public.email_verifications import EmailVerification, VerificationPurpose
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.users import User
from app.repositories.public.email_verifications import EmailVerificationRepository, Proof
from app.repositories.public.users import UserRepository, user_read
from app.schemas.auth import EmailVerified, Registration, RegistrationRecord
from app.schemas.users import UserTenant
from app.services.audit_trail import AuditTrail
from app.services.session_service import SessionService
from app.services.tenant_creation import TenantCreation
from app.services.workflow_requests import Mail, WorkflowRequests


class RegistrationService:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(
        self,
        session: LobbySession,
        audit: AuditTrail,
        sessions: SessionService,
        settings: AuthSettings,
    ) -> None:
        self.users = UserRepository(session)
        self.verifications = EmailVerificationRepository(session)
        self.tenants = TenantCreation(session, audit)
        self.workflows = WorkflowRequests(session)
        self.audit = audit
        self.sessions = sessions
        self.settings = settings

    async def add(self, data: Registration, password_hash: str) -> None:
        """Record a registration, with a pending tenant, and have its mail sent.

        The same statements run whether or not the address has an account. Its owner's password stays what it is.

        Raises:
            SlugTaken: another tenant has the slug.
        """
        account = await self.users.find_or_add(
            User(email=data.email, full_name=data.full_name, password_hash=password_hash)
        )
        tenant = await self.tenants.create(
            slug=data.tenant_slug,
            name=data.tenant_name,
            owner_id=account.id,
            status=TenantStatus.PENDING,
        )
        verification = await self.verifications.add(
            EmailVerification(
                user_id=account.id,
                tenant_id=tenant.id,
                purpose=VerificationPurpose.VERIFY_EMAIL,
                full_name=data.full_name,
                password_hash=password_hash,
                expires_at=utcnow() + self.settings.verification_ttl,
            )
        )
        await self.audit.record(
            "user.registered",
            "user",
            account.id,
            after=RegistrationRecord(tenant_id=tenant.id, full_name=data.full_name),
        )
        mail = Mail.CONFIRM_TENANT if account.email_verified else Mail.VERIFY_EMAIL
        await self.workflows.send_email(
            mail, verification.id, user_id=account.id, tenant_id=tenant.id
        )
