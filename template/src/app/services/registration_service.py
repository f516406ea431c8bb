"""Registrations: a stranger names an address, and only who reads its mail makes that count (ADR 0007)."""

from app.core.db.sessions import LobbySession
from app.core.errors import TokenInvalid
from app.core.identifiers import utcnow, uuid7
from app.core.roles import Role
from app.core.security.opaque_tokens import digest, is_well_formed
from app.models.public.email_verifications import EmailVerification, VerificationPurpose
from app.models.public.tenants import TenantStatus
from app.models.public.users import User
from app.repositories.public.email_verifications import EmailVerificationRepository, Proof
from app.repositories.public.tenants import TenantRegistry
from app.repositories.public.users import UserRepository, user_read
from app.schemas.passwords import EmailVerified, Registration, RegistrationRecord
from app.schemas.users import UserTenant
from app.services.identity import Identity
from app.services.tenant_creation import TenantCreation
from app.services.tenant_moves import move
from app.services.workflow_requests import Mail, WorkflowRequests


class RegistrationService:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(self, session: LobbySession, identity: Identity) -> None:
        self.users = UserRepository(session)
        self.verifications = EmailVerificationRepository(session)
        self.tenants = TenantRegistry(session)
        self.creation = TenantCreation(session, identity.audit(session))
        self.workflows = WorkflowRequests(session)
        self.audit = identity.audit(session)
        self.sessions = identity.sessions(session)
        self.settings = identity.settings.auth

    async def add(self, data: Registration, password_hash: str) -> None:
        """Record a registration, with a pending tenant, and have its mail sent.

        The same statements run whether or not the address has an account. Its owner's password stays what it is.

        Raises:
            SlugTaken: another tenant has the slug, or freed it less than `SLUG_HOLD` ago.
        """
        account = await self.users.find_or_add(
            User(email=data.email, full_name=data.full_name, password_hash=password_hash)
        )
        tenant = await self.creation.add(
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

    async def resend(self, email: str) -> None:
        """Have the mail of the latest open registration sent again.

        The same statements run, and a mail is asked for, whether or not there is one; whoever sends it finds out. A token
        that was mailed before stays good, as long as the new one.
        """
        account = await self.users.account(email)
        waiting = await self.verifications.reopen(
            account.id if account else uuid7(), utcnow() + self.settings.verification_ttl
        )
        verification_id = waiting.id if waiting else uuid7()
        known = account is not None and account.email_verified
        await self.audit.record("user.verification_resent", "email_verification", verification_id)
        await self.workflows.send_email(
            Mail.CONFIRM_TENANT if known else Mail.VERIFY_EMAIL, verification_id
        )

    async def verify(self, token: str) -> EmailVerified:
        """Accept that the user reads the address's mail, and open the tenant of the registration.

        The first proof also makes this registration's password and name the user's, and ends every session when the
        password is another: who registered the address before gains nothing by it.

        Raises:
            TokenInvalid: it is unknown, used or expired.
        """
        if not is_well_formed(token):
            raise TokenInvalid
        proof = await self.verifications.use(digest(token), VerificationPurpose.VERIFY_EMAIL)
        if proof is None:
            raise TokenInvalid
        user = await self.users.get(proof.user_id)
        if user.email_verified_at is None:
            await self._accept(user, proof)
        return EmailVerified(user=user_read(user), tenant=await self._open_tenant(proof))

    async def _accept(self, user: User, proof: Proof) -> None:
        before, replaced = user_read(user), proof.password_hash not in (None, user.password_hash)
        changes = {"full_name": proof.full_name, "password_hash": proof.password_hash}
        given = {name: value for name, value in changes.items() if value is not None}
        await self.users.update(user, {**given, "email_verified_at": utcnow()})
        if replaced:
            await self.sessions.end_all(user.id, "password_changed")
        await self.audit.record(
            "user.verified",
            "user",
            user.id,
            before=before,
            after=user_read(user),
            user_id=user.id,
        )

    async def _open_tenant(self, proof: Proof) -> UserTenant | None:
        if proof.tenant_id is None:
            return None
        tenant = await self.tenants.get(proof.tenant_id)
        if tenant.status is TenantStatus.DELETED:
            return None
        if tenant.status is TenantStatus.PENDING:
            await move(
                self.tenants,
                self.audit,
                tenant,
                "tenant.confirmed",
                {"status": TenantStatus.PROVISIONING},
                user_id=proof.user_id,
            )
            await self.workflows.provision_tenant(tenant.id)
        return UserTenant(
            id=tenant.id,
            slug=tenant.slug,
            name=tenant.name,
            status=tenant.status,
            role=Role.OWNER,
        )
