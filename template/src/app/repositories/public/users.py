"""Users."""

from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Select, String, bindparam, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from app.core.db.query import Query
from app.core.errors import EmailTaken, Unauthenticated, Unavailable
from app.core.roles import Role
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.users import User
from app.repositories.base import LobbyRepository
from app.schemas.users import UserRead, UserTenant

_verified: Final = col(User.email_verified_at).is_not(None)


class Account(BaseModel):
    """What must be known of an address to decide about mail to it."""

    id: UUID
    email_verified: bool


class Credentials(BaseModel):
    """What a sign-in is checked against."""

    user_id: UUID
    email: str
    full_name: str
    password_hash: str
    tenant_id: UUID | None = None
    slug: str | None = None
    name: str | None = None
    status: TenantStatus | None = None
    role: Role | None = None

    @property
    def tenant(self) -> UserTenant | None:
        """The tenant that was asked for, if the user is a member of it."""
        if self.tenant_id is None:
            return None
        return UserTenant.model_validate(
            {**self.model_dump(include={"slug", "name", "status", "role"}), "id": self.tenant_id}
        )


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

_CREDENTIALS: Select[*tuple[Any, ...]] = select(
    col(User.id).label("user_id"),
    col(User.email),
    col(User.full_name),
    col(User.password_hash),
)

_MEMBER_OF: Final = (
    select(
        col(UserTenantMembership.user_id).label("member_id"),
        col(Tenant.id).label("tenant_id"),
        col(Tenant.slug),
        col(Tenant.name),
        col(Tenant.status),
        col(UserTenantMembership.role),
    )
    .join(Tenant, col(Tenant.id) == col(UserTenantMembership.tenant_id))
    .where(
        func.replace(col(Tenant.slug), text("'-'"), text("'_'"))
        == func.replace(bindparam("slug", type_=String), text("'-'"), text("'_'")),
        col(Tenant.status) != literal_column("'deleted'"),
    )
    .subquery()
)

# One statement whether or not the user, the tenant and the membership exist.
_FOR_LOGIN: Final = Query(
    _CREDENTIALS.add_columns(*_MEMBER_OF.c)
    .outerjoin(_MEMBER_OF, _MEMBER_OF.c.member_id == col(User.id))
    .where(col(User.email) == bindparam("email")),
    Credentials,
)

_OF_USER: Final = Query(_CREDENTIALS.where(col(User.id) == bindparam("id")), Credentials)


class UserRepository(LobbyRepository[User]):
    model = User
    conflicts = {"uq_users_email": EmailTaken}

    async def find(self, id: UUID) -> User | None:
        """Return the row to change it, locked until the transaction ends, or `None`.

        Whoever starts, refreshes or ends a session holds this lock: a user's sessions change one at a time, so that
        no refresh slips past a logout or a new password. It leaves foreign keys to the user free.
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

    async def credentials(self, email: str, tenant_slug: str | None) -> Credentials | None:
        """Return what a sign-in at this address is checked against."""
        return await self.session.row(_FOR_LOGIN, email=email, slug=tenant_slug)

    async def credentials_of(self, id: UUID) -> Credentials | None:
        """Return what a signed-in user's password is checked against."""
        return await self.session.row(_OF_USER, id=id)

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
