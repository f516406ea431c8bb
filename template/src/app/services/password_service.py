"""What a new password changes besides the hash. Hashing is `AuthService`'s."""

from uuid import UUID

from app.core.db.sessions import LobbySession
from app.core.errors import TokenInvalid
from app.core.identifiers import utcnow, uuid7
from app.core.password_errors import InvalidCredentials
from app.core.security.opaque_tokens import digest, is_well_formed
from app.models.public.email_verifications import VerificationPurpose
from app.repositories.public.credentials import Credentials, CredentialsRepository
from app.repositories.public.email_verifications import EmailVerificationRepository
from app.repositories.public.users import UserRepository, user_read
from app.services.identity import Identity
from app.services.workflow_requests import Mail, WorkflowRequests


class PasswordService:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(self, session: LobbySession, identity: Identity) -> None:
        self.users = UserRepository(session)
        self.credentials = CredentialsRepository(session)
        self.verifications = EmailVerificationRepository(session)
        self.workflows = WorkflowRequests(session)
        self.audit = identity.audit(session)
        self.sessions = identity.sessions(session)
        self.proofs = identity.proofs(session)
        self.settings = identity.settings.auth

    async def request_reset(self, email: str) -> None:
        """Have a mail with a reset token sent to the user with this address.

        The same statements run, and a mail is asked for, whether or not there is one; whoever sends it finds out.
        """
        id = uuid7()
        await self.verifications.add_reset(id, email, utcnow() + self.settings.reset_ttl)
        await self.audit.record("password.reset_requested", "email_verification", id)
        await self.workflows.send_email(Mail.RESET_PASSWORD, id)

    async def addressee(self, token: str) -> Credentials:
        """Return the user whose password a reset token may set.

        Raises:
            TokenInvalid: it is unknown, used or expired.
        """
        purpose = VerificationPurpose.RESET_PASSWORD
        proof = (
            await self.verifications.find_open(digest(token), purpose)
            if is_well_formed(token)
            else None
        )
        found = await self.credentials.of_user(proof.user_id) if proof else None
        if found is None:
            raise TokenInvalid
        return found

    async def reset(self, user_id: UUID, token: str, password_hash: str) -> None:
        """Set the password, end every session, and count the address as proven: its mail was read.

        Raises:
            TokenInvalid: it was used or has expired in between.
        """
        user = await self.users.get(user_id)
        purpose = VerificationPurpose.RESET_PASSWORD
        if await self.verifications.use(digest(token), purpose) is None:
            raise TokenInvalid
        await self.verifications.close(user_id, purpose)
        await self.proofs.choose(user, password_hash, action="password.changed")

    async def confirm(self, seen: Credentials, renewed: str | None) -> bool:
        """Lock the user whose password was checked, and tell whether the hash is still the one that was `seen`.

        If so, `renewed` takes its place: a hash of the same password with the costs of today's settings.
        """
        user = await self.users.find(seen.user_id)
        if user is None or user.password_hash != seen.password_hash:
            return False
        if renewed is not None:
            await self.users.update(user, {"password_hash": renewed})
            await self.audit.record("password.rehashed", "user", user.id, user_id=user.id)
        return True

    async def change(self, seen: Credentials, password_hash: str, *, current_session: UUID) -> None:
        """Set the password and end the user's other sessions.

        Raises:
            InvalidCredentials: the password was changed since it was `seen`.
        """
        user = await self.users.find(seen.user_id)
        if user is None or user.password_hash != seen.password_hash:
            raise InvalidCredentials
        await self.verifications.close(user.id, VerificationPurpose.RESET_PASSWORD)
        before = user_read(user)
        await self.users.update(user, {"password_hash": password_hash})
        await self.audit.record(
            "password.changed",
            "user",
            user.id,
            before=before,
            after=user_read(user),
            user_id=user.id,
        )
        await self.sessions.end_all(user.id, "password_changed", but=current_session)
