"""The users of the samples; the identity provider knows them by their addresses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.core.db.sessions import LobbySession
from app.core.settings import Settings
from app.models.public.users import User
from app.repositories.public.users import UserRepository
from app.services.audit_trail import Actor, AuditTrail
from app.services.operator_accounts import OperatorAccounts


class SampleAccounts:
    """Adds who is missing."""

    async def user(
        self, session: LobbySession, email: str, full_name: str, *, superuser: bool = False
    ) -> UUID:
        """Return the user with this address."""
        user = await session.scalar(select(User).where(col(User.email) == email))
        if user is None:
            accounts = OperatorAccounts(UserRepository(session), AuditTrail(session, Actor()))
            user = await accounts.add(
                User(email=email, full_name=full_name, is_superuser=superuser)
            )
        return user.id


@asynccontextmanager
async def sample_accounts(_settings: Settings) -> AsyncIterator[SampleAccounts]:
    """Yield what adds users, for as long as the samples are added."""
    yield SampleAccounts()
