"""Accounts that an operator makes, without a mail to verify."""

from app.core.identifiers import utcnow
from app.models.public.users import User
from app.repositories.public.users import UserRepository, user_read
from app.services.audit_trail import AuditTrail


class OperatorAccounts:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(self, users: UserRepository, audit: AuditTrail) -> None:
        self.users = users
        self.audit = audit

    async def create(
        self, *, email: str, full_name: str, password_hash: str, superuser: bool = False
    ) -> User:
        """Add a verified user.

        Raises:
            EmailTaken: somebody has the address. That account is not promoted: a stranger may have registered it.
        """
        user = await self.users.add(
            User(
                email=email,
                full_name=full_name,
                password_hash=password_hash,
                email_verified_at=utcnow(),
                is_superuser=superuser,
            )
        )
        await self.audit.record("user.created", "user", user.id, after=user_read(user))
        return user

    async def set_password(self, user: User, password_hash: str) -> None:
        """Replace a user's password."""
        await self.users.update(user, {"password_hash": password_hash})
        await self.audit.record("password.changed", "user", user.id)
