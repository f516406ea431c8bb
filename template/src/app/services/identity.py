"""The services that change users and sessions, made for one caller and one transaction."""

from dataclasses import dataclass

from app.core.db.sessions import LobbySession
from app.core.security.access_tokens import AccessTokens
from app.core.settings import AuthSettings
from app.repositories.public.users import UserRepository
from app.services.audit_trail import Actor, AuditTrail
from app.services.password_service import PasswordService
from app.services.registration_service import RegistrationService
from app.services.session_service import SessionService
from app.services.user_service import UserService


@dataclass(frozen=True, slots=True)
class Identity:
    """One caller, who may not have signed in yet."""

    access_tokens: AccessTokens
    settings: AuthSettings
    actor: Actor
    user_agent: str | None

    def sessions(self, session: LobbySession) -> SessionService:
        """Return the rules for sessions."""
        return SessionService(
            session,
            self._audit(session),
            self.access_tokens,
            self.settings,
            user_agent=self.user_agent,
        )

    def registrations(self, session: LobbySession) -> RegistrationService:
        """Return the rules for registrations."""
        return RegistrationService(
            session, self._audit(session), self.sessions(session), self.settings
        )

    def passwords(self, session: LobbySession) -> PasswordService:
        """Return the rules for passwords."""
        return PasswordService(session, self._audit(session), self.sessions(session), self.settings)

    def users(self, session: LobbySession) -> UserService:
        """Return the rules for users."""
        return UserService(UserRepository(session), self._audit(session))

    def _audit(self, session: LobbySession) -> AuditTrail:
        return AuditTrail(session, self.actor)
