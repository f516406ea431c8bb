"""What the proof of an address makes of its account, and what it ends (ADR 0007)."""

from collections.abc import Mapping
from uuid import UUID

from app.core.db.sessions import LobbySession
from app.core.identifiers import utcnow
from app.models.public.email_verifications import VerificationPurpose
from app.models.public.tenants import TenantStatus
from app.models.public.users import User
from app.repositories.public.email_verifications import EmailVerificationRepository, Proof
from app.repositories.public.tenants import TenantRegistry
from app.repositories.public.users import UserRepository, user_read
from app.services.audit_trail import AuditTrail
from app.services.session_service import SessionService
from app.services.tenant_moves import move


class AddressProofs:
    """Works inside the caller's transaction, with a locked user; never commits (ADR 0003).

    The first proof of an address ends every registration of it that is open: the one whose token was used is not.
    """

    def __init__(self, session: LobbySession, audit: AuditTrail, sessions: SessionService) -> None:
        self.users = UserRepository(session)
        self.verifications = EmailVerificationRepository(session)
        self.tenants = TenantRegistry(session)
        self.audit = audit
        self.sessions = sessions

    async def confirm(self, user: User, registered: Proof) -> None:
        """Make the name and the password of a registration the account's: the mail named it to its reader."""
        changes = {"full_name": registered.full_name, "password_hash": registered.password_hash}
        given = {name: value for name, value in changes.items() if value is not None}
        await self._accept(user, "user.verified", given)

    async def choose(
        self, user: User, password_hash: str, *, action: str, full_name: str | None = None
    ) -> None:
        """Make the password the account's that the reader of the mail has just chosen."""
        changes = {"password_hash": password_hash}
        if full_name is not None:
            changes["full_name"] = full_name
        await self._accept(user, action, changes)

    async def prove(self, user: User) -> None:
        """Count the address as proven; the account stays as it is."""
        await self._accept(user, "user.verified", {})

    async def end_registrations(self, user_id: UUID) -> None:
        """End the open registrations of the user's address, with their pending tenants."""
        purpose = VerificationPurpose.VERIFY_EMAIL
        for tenant_id in await self.verifications.close(user_id, purpose):
            tenant = await self.tenants.get(tenant_id)
            if tenant.status is TenantStatus.PENDING:
                given_up = {"status": TenantStatus.DELETED}
                await move(
                    self.tenants, self.audit, tenant, "tenant.deleted", given_up, user_id=user_id
                )

    async def _accept(self, user: User, action: str, changes: Mapping[str, str]) -> None:
        before = None if action == "user.created" else user_read(user)
        is_first = user.email_verified_at is None
        replaced = changes.get("password_hash", user.password_hash) != user.password_hash
        verified_at = user.email_verified_at or utcnow()
        await self.users.update(user, {**changes, "email_verified_at": verified_at})
        await self.audit.record(
            action, "user", user.id, before=before, after=user_read(user), user_id=user.id
        )
        if replaced:
            await self.sessions.end_all(user.id, "password_changed")
        if is_first and before is not None:
            await self.end_registrations(user.id)
