"""Signing in through the identity provider, beside passwords."""

from typing import Any

from app.core.db.database import Database
from app.core.db.sessions import LobbySession
from app.core.oidc.identity_provider import IdentityProvider, Person
from app.core.oidc.sign_in_states import SignInStates
from app.core.security.passwords import Passwords
from app.models.public.email_verifications import VerificationPurpose
from app.models.public.users import User
from app.repositories.public.email_verifications import EmailVerificationRepository
from app.repositories.public.users import user_read
from app.services.guarded_sessions import GuardedSessions
from app.services.identity import Identity
from app.services.linked_users import LinkedUsers
from app.services.provider_sign_in import ProviderSignIn
from app.services.session_service import SessionService


class VouchedSignIn(ProviderSignIn):
    """Marks its sessions, and gives new users a password that nobody knows."""

    def __init__(
        self,
        database: Database,
        provider: IdentityProvider,
        states: SignInStates,
        identity: Identity,
        passwords: Passwords,
    ) -> None:
        super().__init__(database, provider, states, identity)
        self.passwords = passwords

    def _sessions(self, session: LobbySession) -> SessionService:
        identity = self.identity
        return GuardedSessions(
            session,
            identity.audit(session),
            identity.access_tokens,
            identity.settings.auth,
            user_agent=identity.user_agent,
            vouched=True,
        )

    def _users(self, session: LobbySession) -> LinkedUsers:
        return _LinkedUsers(session, self.identity, self.passwords)


class _LinkedUsers(LinkedUsers):
    def __init__(self, session: LobbySession, identity: Identity, passwords: Passwords) -> None:
        super().__init__(session, identity)
        self.proofs = identity.proofs(session)
        self.verifications = EmailVerificationRepository(session)
        self.passwords = passwords

    async def get(self, person: Person) -> User:
        user = await super().get(person)
        if user.password_predates_proof:
            await self._end_password(user)
        return user

    def _proven(self, full_name: str) -> dict[str, Any]:
        return {**super()._proven(full_name), **self._no_password()}

    def _no_password(self) -> dict[str, Any]:
        return {"password_hash": self.passwords.nobodys_hash, "password_predates_proof": False}

    async def _end_password(self, user: User) -> None:
        # A stranger may have registered the address, and its owner confirmed that by mistake.
        before = user_read(user)
        await self.users.update(user, self._no_password())
        await self.audit.record(
            "password.ended", "user", user.id, before=before, after=user_read(user), user_id=user.id
        )
        await self.sessions.end_all(user.id, "password_changed")

    async def _hand_over(self, user: User, full_name: str) -> None:
        await super()._hand_over(user, full_name)
        await self.proofs.end_registrations(user.id)

    async def _change_address(self, user: User, email: str) -> None:
        await super()._change_address(user, email)
        # What was mailed to the old address sets no password and opens no tenant any more.
        await self.verifications.close(user.id, VerificationPurpose.RESET_PASSWORD)
        await self.proofs.end_registrations(user.id)
