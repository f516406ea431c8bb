"""Everything that hashes a password.

Argon2 takes tens of milliseconds and waits its turn behind others: no connection is held meanwhile. So these methods,
unlike other services', read in one transaction and write in another, which checks again what the first one saw.
"""

from uuid import UUID

from app.core.db.database import Database
from app.core.password_errors import InvalidCredentials
from app.core.security.passwords import Passwords
from app.repositories.public.credentials import Credentials, CredentialsRepository
from app.schemas.passwords import (
    EmailVerified,
    Login,
    PasswordChange,
    PasswordReset,
    Registration,
    Verification,
)
from app.schemas.sessions import Tokens
from app.services.identity import Identity
from app.services.password_service import PasswordService
from app.services.registration_service import RegistrationService, account_has_password


class AuthService:
    """Opens its own transactions, see above; whether they commit is `Database`'s to say (ADR 0003)."""

    def __init__(self, database: Database, passwords: Passwords, identity: Identity) -> None:
        self.database = database
        self.passwords = passwords
        self.identity = identity

    async def register(self, data: Registration) -> None:
        """Record a registration; see `RegistrationService.add`.

        Raises:
            PasswordTooWeak: the password is easy to guess.
            SlugTaken: another tenant has the slug, or freed it less than `SLUG_HOLD` ago.
        """
        password = data.password.get_secret_value()
        own_words = (data.email, data.full_name, data.tenant_name, data.tenant_slug)
        await self.passwords.require_strength(password, *own_words)
        password_hash = await self.passwords.hash(password)
        async with self.database.lobby() as session:
            await RegistrationService(session, self.identity).add(data, password_hash)

    async def verify(self, data: Verification) -> EmailVerified:
        """Confirm a registration, with the password that was chosen there or with another; see `RegistrationService`.

        Raises:
            TokenInvalid: the token is unknown, used or expired.
            InvalidRequest: a password was chosen, and the account has one; the token stays good.
            PasswordTooWeak: the new password is easy to guess; the token stays good.
        """
        token, password_hash = data.token.get_secret_value(), None
        if data.new_password is not None:
            password = data.new_password.get_secret_value()
            password_hash = await self._chosen(token, password)
        async with self.database.lobby() as session:
            return await RegistrationService(session, self.identity).verify(token, password_hash)

    async def login(self, data: Login) -> Tokens:
        """Start a session.

        One statement and one Argon2 call precede every refusal, whatever was wrong.

        Raises:
            InvalidCredentials: no such user, another password, or no member of the tenant.
        """
        # The hash may change between the two transactions: by another login that renews it, or with the password.
        tokens = await self._try_login(data) or await self._try_login(data)
        if tokens is None:
            raise InvalidCredentials
        return tokens

    async def reset_password(self, data: PasswordReset) -> None:
        """Set the password of the user whose reset token this is.

        Raises:
            TokenInvalid: the token is unknown, used or expired.
            PasswordTooWeak: the password is easy to guess; the token stays good.
        """
        token = data.token.get_secret_value()
        async with self.database.lobby() as session:
            user = await PasswordService(session, self.identity).addressee(token)
        password_hash = await self._hashed(data.new_password.get_secret_value(), user)
        async with self.database.lobby() as session:
            await PasswordService(session, self.identity).reset(user.user_id, token, password_hash)

    async def change_password(
        self, user_id: UUID, data: PasswordChange, *, current_session: UUID
    ) -> None:
        """Set the password of a signed-in user and end the other sessions.

        Raises:
            InvalidCredentials: `current_password` is not the user's.
            PasswordTooWeak: the new password is easy to guess.
        """
        async with self.database.lobby() as session:
            seen = await CredentialsRepository(session).of_user(user_id)
        known = await self._checked(seen, data.current_password.get_secret_value())
        password_hash = await self._hashed(data.new_password.get_secret_value(), known)
        async with self.database.lobby() as session:
            await PasswordService(session, self.identity).change(
                known, password_hash, current_session=current_session
            )

    async def _chosen(self, token: str, password: str) -> str:
        async with self.database.lobby() as session:
            seen = await RegistrationService(session, self.identity).preview(token)
        if not seen.sets_password:
            raise account_has_password()
        own_words = (seen.email, seen.full_name, seen.tenant_name or "", seen.tenant_slug or "")
        await self.passwords.require_strength(password, *own_words)
        return await self.passwords.hash(password)

    async def _try_login(self, data: Login) -> Tokens | None:
        password = data.password.get_secret_value()
        async with self.database.lobby() as session:
            seen = await CredentialsRepository(session).for_login(data.email, data.tenant)
        known = await self._checked(seen, password)
        if data.tenant is not None and known.tenant is None:
            raise InvalidCredentials
        stale = self.passwords.needs_rehash(known.password_hash)
        renewed = await self.passwords.hash(password) if stale else None
        async with self.database.lobby() as session:
            if not await PasswordService(session, self.identity).confirm(known, renewed):
                return None
            return await self.identity.sessions(session).start(known.user_id, known.tenant)

    async def _checked(self, seen: Credentials | None, password: str) -> Credentials:
        fits = await self.passwords.verify(seen.password_hash if seen else None, password)
        if seen is None or not fits:
            raise InvalidCredentials
        return seen

    async def _hashed(self, password: str, user: Credentials) -> str:
        await self.passwords.require_strength(password, user.email, user.full_name)
        return await self.passwords.hash(password)
