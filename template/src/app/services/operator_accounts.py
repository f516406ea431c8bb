"""Accounts that an operator makes, without a mail to verify."""

from app.core.errors import EmailTaken
from app.core.identifiers import utcnow
from app.models.public.users import User
from app.repositories.public.users import UserRepository, user_read
from app.services.audit_trail import AuditTrail


class OperatorAccounts:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(self, users: UserRepository, audit: AuditTrail) -> None:
        self.users = users
        self.audit = audit

    async def add(self, user: User) -> User:
        """Add a user whose address counts as verified.

        Raises:
            EmailTaken: somebody has the address. That account is not promoted: a stranger may have made it.
        """
        user.email_verified_at = utcnow()
        try:
            await self.users.add(user)
        except EmailTaken:
            raise EmailTaken(
                "This address has an account, which is not promoted: use another."
            ) from None
        await self.audit.record("user.created", "user", user.id, after=user_read(user))
        return user
