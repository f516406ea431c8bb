"""Accounts that an operator makes, without a mail to verify."""

from app.core.identifiers import utcnow
from app.core.security.passwords import Passwords
from app.models.public.users import User
from app.repositories.public.users import UserRepository, user_read
from app.services.audit_trail import AuditTrail


class OperatorAccounts:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(self, users: UserRepository, passwords: Passwords, audit: AuditTrail) -> None:
        self.users = users
        self.passwords = passwords
        self.audit = audit

    async def create(
        self, *, email: str, full_name: str, password: str, superuser: bool = False
    ) -> User:
        """Add a verified user.

        Raises:
            EmailTaken: somebody has the address. That account is not promoted: a stranger may have registered it.
            PasswordTooWeak: the password is easy to guess.
        """
        await self.passwords.require_strength(password, email, full_name)
        user = await self.users.add(
            User(
                email=email,
                full_name=full_name,
                password_hash=await self.passwords.hash(password),
                email_verified_at=utcnow(),
                is_superuser=superuser,
            )
        )
        await self.audit.record("user.created", "user", user.id, after=user_read(user))
        return user
