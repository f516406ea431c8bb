"""Sessions that the identity provider vouches for."""

from uuid import UUID

from sqlalchemy import exists, select
from sqlmodel import col

from app.models.public.vouched_sessions import VouchedSession
from app.repositories.base import LobbyRepository


class VouchedSessionRepository(LobbyRepository[VouchedSession]):
    model = VouchedSession

    async def has(self, session_id: UUID) -> bool:
        """Tell whether the provider vouches for a session."""
        return bool(
            await self.session.scalar(select(exists().where(col(VouchedSession.id) == session_id)))
        )
