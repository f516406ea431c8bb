"""Users."""

from typing import Final
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from app.core.db.query import Query
from app.core.errors import EmailTaken, Unauthenticated, Unavailable
from app.models.public.users import User
from app.repositories.base import LobbyRepository
from app.schemas.users import UserRead

_verified: Final = col(User.email_verified_at).is_not(None)


class Account(BaseModel):
    """Whose an address is, and whether they have proven it."""

    id: UUID
    email_verified: bool


_READ: Final = Query(
    select(
        col(User.id),
        col(User.email),
        col(User.full_name),
        _verified.label("email_verified"),
        col(User.is_superuser),
        col(User.created_at),
    ).where(col(User.id) == bindparam("id")),
    UserRead,
)

_ACCOUNT: Final = Query(
    select(col(User.id), _verified.label("email_verified")).where(
        col(User.email) == bindparam("email")
    ),
    Account,
)


class UserRepository(LobbyRepository[User]):
    model = User
    conflicts = {"uq_users_email": EmailTaken}

    async def find(self, id: UUID) -> User | None:
        """Return the row to change it, locked until the transaction ends, or `None`.

        Whoever starts, refreshes or ends a session holds this lock: a user's sessions change one at a time, so that
        no refresh slips past what ends them all. It leaves foreign keys to the user free.
        """
        return await self.session.scalar(
            select(User).where(col(User.id) == id).with_for_update(key_share=True)
        )

    async def read(self, id: UUID) -> UserRead:
        """Return a user for display.

        Raises:
            Unauthenticated: there is none any more.
        """
        user = await self.session.row(_READ, id=id)
        if user is None:
            raise Unauthenticated
        return user

    async def account(self, email: str) -> Account | None:
        """Return the account of an address, if it has one."""
        return await self.session.row(_ACCOUNT, email=email)

    async def find_or_add(self, user: User) -> Account:
        """Return the account of the address, which is `user` if nobody had it.

        The same statements run in both cases.
        """
        await self.session.execute(
            insert(User).values(user.model_dump()).on_conflict_do_nothing(index_elements=["email"])
        )
        account = await self.account(user.email)
        if account is None:
            raise Unavailable("The user was deleted at this moment.")
        return account


def user_read(user: User) -> UserRead:
    """Return a loaded row as clients see it."""
    return UserRead(
        id=user.id,
        email=user.email,
        full_name=user.full_name,
        email_verified=user.email_verified_at is not None,
        is_superuser=user.is_superuser,
        created_at=user.created_at,
    )
