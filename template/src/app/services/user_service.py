"""What users change about themselves."""

from uuid import UUID

from app.repositories.public.users import UserRepository, user_read
from app.schemas.users import UserRead, UserUpdate
from app.services.audit_trail import AuditTrail


class UserService:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(self, users: UserRepository, audit: AuditTrail) -> None:
        self.users = users
        self.audit = audit

    async def update(self, user_id: UUID, data: UserUpdate) -> UserRead:
        """Change the fields that are present in `data`."""
        user = await self.users.get(user_id)
        before = user_read(user)
        await self.users.update(user, data.model_dump(exclude_unset=True))
        after = user_read(user)
        if after != before:
            await self.audit.record("user.updated", "user", user_id, before=before, after=after)
        return after
