"""The users of the samples, who all have one password."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.core.db.sessions import LobbySession
from app.core.security.passwords import Passwords
from app.core.settings import Settings, SettingsError
from app.models.public.users import User
from app.repositories.public.users import UserRepository
from app.services.audit_trail import Actor, AuditTrail
from app.services.operator_accounts import OperatorAccounts


class SampleAccounts:
    """Adds who is missing, and gives everybody the password, however easy to guess it is."""

    def __init__(self, passwords: Passwords, password: str) -> None:
        self.passwords = passwords
        self.password = password

    async def user(
        self, session: LobbySession, email: str, full_name: str, *, superuser: bool = False
    ) -> UUID:
        """Return the user with this address."""
        users, audit = UserRepository(session), AuditTrail(session, Actor())
        user = await session.scalar(select(User).where(col(User.email) == email))
        if user is None:
            new = User(
                email=email,
                full_name=full_name,
                password_hash=await self.passwords.hash(self.password),
                is_superuser=superuser,
            )
            user = await OperatorAccounts(users, audit).add(new)
        elif not await self.passwords.verify(user.password_hash, self.password):
            password_hash = await self.passwords.hash(self.password)
            await users.update(user, {"password_hash": password_hash})
            await audit.record("password.changed", "user", user.id)
        return user.id


@asynccontextmanager
async def sample_accounts(settings: Settings) -> AsyncIterator[SampleAccounts]:
    """Yield what adds users, for as long as the samples are added.

    Raises:
        SettingsError: there is no password for them.
    """
    if settings.dev.seed_password is None:
        raise SettingsError(
            "DEV__SEED_PASSWORD is not set; it becomes the password of every seeded user."
        )
    passwords = Passwords(settings.auth)
    try:
        yield SampleAccounts(passwords, settings.dev.seed_password.get_secret_value())
    finally:
        passwords.close()
