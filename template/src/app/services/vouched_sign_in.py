"""Signing in through the identity provider, beside passwords."""

from typing import Any

from app.core.db.database import Database
from app.core.db.sessions import LobbySession
from app.core.oidc.identity_provider import IdentityProvider
from app.core.oidc.sign_in_states import SignInStates
from app.core.security.passwords import Passwords
from app.models.public.email_verifications import VerificationPurpose
from app.models.public.users import User
from app.repositories.public.email_verifications import EmailVerificationRepository
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
        self.verifications = EmailVerificationRepository(session)
        self.passwords = passwords

    def _proven(self, full_name: str) -> dict[str, Any]:
        return {**super()._proven(full_name), "password_hash": self.passwords.nobodys_hash}

    async def _change_address(self, user: User, email: str) -> None:
        await super()._change_address(user, email)
        # What was mailed to the old address sets no password any more.
        await self.verifications.close(user.id, VerificationPurpose.RESET_PASSWORD)
