"""Which person at the identity provider is which user."""

from uuid import UUID

from sqlalchemy import delete, select
from sqlmodel import col

from app.core.oidc_errors import IdentityConflict
from app.models.public.user_identities import UserIdentity
from app.repositories.base import LobbyRepository


class UserIdentityRepository(LobbyRepository[UserIdentity]):
    model = UserIdentity
    conflicts = {
        "uq_user_identities_subject": IdentityConflict,
        "uq_user_identities_user_id": IdentityConflict,
    }

    async def user_of(self, issuer: str, subject: str) -> UUID | None:
        """Return the user who is linked to a person."""
        return await self.session.scalar(
            select(col(UserIdentity.user_id)).where(
                col(UserIdentity.issuer) == issuer, col(UserIdentity.subject) == subject
            )
        )

    async def subject_of(self, user_id: UUID, issuer: str) -> str | None:
        """Return the person whom a user is linked to."""
        return await self.session.scalar(
            select(col(UserIdentity.subject)).where(
                col(UserIdentity.user_id) == user_id, col(UserIdentity.issuer) == issuer
            )
        )

    async def remove_of(self, user_id: UUID) -> list[UUID]:
        """Remove a user's links and return their ids."""
        removed = await self.session.execute(
            delete(UserIdentity)
            .where(col(UserIdentity.user_id) == user_id)
            .returning(col(UserIdentity.id))
        )
        return list(removed.scalars())
