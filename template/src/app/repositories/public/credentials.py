"""What passwords are checked against."""

from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Select, String, bindparam, func, literal_column, select, text
from sqlmodel import col

from app.core.db.query import Query
from app.core.roles import Role
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.users import User
from app.repositories.base import LobbyRepository
from app.schemas.users import UserTenant


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


class CredentialsRepository(LobbyRepository[User]):
    model = User

    async def for_login(self, email: str, tenant_slug: str | None) -> Credentials | None:
        """Return what a sign-in at this address is checked against."""
        return await self.session.row(_FOR_LOGIN, email=email, slug=tenant_slug)

    async def of_user(self, id: UUID) -> Credentials | None:
        """Return what a signed-in user's password is checked against."""
        return await self.session.row(_OF_USER, id=id)
