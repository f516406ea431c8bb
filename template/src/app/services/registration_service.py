"""Registrations: a stranger names an address, and only who reads its mail makes that count (ADR 0007)."""

from app.core.db.sessions import LobbySession
from app.core.errors import InvalidRequest, TokenInvalid
from app.core.identifiers import utcnow, uuid7
from app.core.reserved_slugs import ReservedSlugs
from app.core.roles import Role
from app.core.security.opaque_tokens import digest, is_well_formed
from app.models.public.email_verifications import EmailVerification, VerificationPurpose
from app.models.public.tenants import TenantStatus
from app.models.public.users import User
from app.repositories.public.email_verifications import EmailVerificationRepository, Proof
from app.repositories.public.tenants import TenantRegistry
from app.repositories.public.users import UserRepository, user_read
from app.schemas.passwords import (
    EmailVerified,
    Registration,
    RegistrationPreview,
    RegistrationRecord,
)
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
        self.creation = TenantCreation(
            session, identity.audit(session), ReservedSlugs(identity.settings)
        )
        self.workflows = WorkflowRequests(session)
        self.audit = identity.audit(session)
        self.proofs = identity.proofs(session)
        self.settings = identity.settings.auth

    async def add(self, data: Registration, password_hash: str) -> None:
        """Record a registration, with a pending tenant, and have its mail sent.

        The same statements run whether or not the address has an account. Its owner's password stays what it is.

        Raises:
            SlugTaken: another tenant has the slug or freed it less than `SLUG_HOLD` ago, or it is reserved.
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
        """Have one mail sent that names open registrations of an address, each with its own link.

        The same statements run, and a mail is asked for, whether or not there are any; whoever sends it finds out. A
        token that was mailed before stays good, as long as the new one.
        """
        account = await self.users.account(email)
        user_id = account.id if account else uuid7()
        await self.users.find(user_id)
        expires_at = utcnow() + self.settings.verification_ttl
        waiting = await self.verifications.reopen(user_id, expires_at)
        await self.audit.record("user.verification_resent", "user", user_id)
        await self.workflows.list_registrations(user_id, waiting)

    async def preview(self, token: str) -> RegistrationPreview:
        """Return what a token confirms.

        Raises:
            TokenInvalid: it is unknown, used or expired.
        """
        found = await self.verifications.preview(digest(token)) if is_well_formed(token) else None
        if found is None:
            raise TokenInvalid
        return found

    async def verify(self, token: str, password_hash: str | None = None) -> EmailVerified:
        """Accept that the user reads the address's mail, and open the tenant of the registration.

        The first proof also makes the name and the password of this registration the account's, or the password that
        was chosen with the token. Sessions with another password end, and so do all other registrations of the address.

        Raises:
            TokenInvalid: it is unknown, used or expired.
            InvalidRequest: a password was chosen, and the account has one.
        """
        if not is_well_formed(token):
            raise TokenInvalid
        token_hash, purpose = digest(token), VerificationPurpose.VERIFY_EMAIL
        found = await self.verifications.find_open(token_hash, purpose)
        if found is None:
            raise TokenInvalid
        # Before the token is used: whoever proves the address in another way locks the user, then ends the token.
        user = await self.users.get(found.user_id)
        proof = await self.verifications.use(token_hash, purpose)
        if proof is None:
            raise TokenInvalid
        if user.email_verified_at is None:
            await self._accept(user, proof, password_hash)
        elif password_hash is not None:
            raise account_has_password()
        return EmailVerified(user=user_read(user), tenant=await self._open_tenant(proof))

    async def _accept(self, user: User, proof: Proof, password_hash: str | None) -> None:
        if password_hash is None:
            await self.proofs.confirm(user, proof)
        else:
            await self.proofs.choose(
                user, password_hash, action="user.verified", full_name=proof.full_name
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


def account_has_password() -> InvalidRequest:
    """Return how a new password is refused that comes with the token of a registration that sets none."""
    return InvalidRequest(
        "The account has a password already: ask for a reset.", pointer="/body/new_password"
    )
