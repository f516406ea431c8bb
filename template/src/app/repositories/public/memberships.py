"""Who belongs to which tenant."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, String, bindparam, func, literal_column, select, text, tuple_
from sqlmodel import col

from app.core.db.query import Query
from app.core.errors import AlreadyMember, NotFound
from app.core.roles import Role
from app.models.public.tenants import Tenant
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.users import User
from app.repositories.base import LobbyRepository
from app.repositories.public.pending_tenants import IS_SHOWN
from app.schemas.base import Page, PageRequest, Position
from app.schemas.members import MemberRead
from app.schemas.users import UserTenant


class _Joined(UserTenant):
    joined_at: datetime


# A deleted tenant has given its slug free: another tenant may have it by now. Status and slug are compared as the
# index `uq_tenants_slug` is written, without parameters, so that it can be used.
_TENANTS_OF_USER: Select[*tuple[Any, ...]] = (
    select(
        col(Tenant.id),
        col(Tenant.slug),
        col(Tenant.name),
        col(Tenant.status),
        col(UserTenantMembership.role),
        col(UserTenantMembership.joined_at),
    )
    .join(Tenant, col(Tenant.id) == col(UserTenantMembership.tenant_id))
    .where(
        col(UserTenantMembership.user_id) == bindparam("user_id"),
        col(Tenant.status) != literal_column("'deleted'"),
    )
)

_BY_SLUG: Final = Query(
    _TENANTS_OF_USER.where(
        func.replace(col(Tenant.slug), text("'-'"), text("'_'"))
        == func.replace(bindparam("slug", type_=String), text("'-'"), text("'_'"))
    ),
    UserTenant,
)

_BY_ID: Final = Query(_TENANTS_OF_USER.where(col(Tenant.id) == bindparam("tenant_id")), UserTenant)

_NEWEST: Final = Query(
    _TENANTS_OF_USER.where(
        tuple_(col(UserTenantMembership.joined_at), col(Tenant.id))
        < tuple_(bindparam("at"), bindparam("id")),
        IS_SHOWN,
    )
    .order_by(col(UserTenantMembership.joined_at).desc(), col(Tenant.id).desc())
    .limit(bindparam("n")),
    _Joined,
)

_MEMBERS: Select[*tuple[Any, ...]] = (
    select(
        col(User.id).label("user_id"),
        col(User.email),
        col(User.full_name),
        col(UserTenantMembership.role),
        col(UserTenantMembership.joined_at),
    )
    .join(User, col(User.id) == col(UserTenantMembership.user_id))
    .where(col(UserTenantMembership.tenant_id) == bindparam("tenant_id"))
)

_MEMBER: Final = Query(_MEMBERS.where(col(User.id) == bindparam("user_id")), MemberRead)

_MEMBER_BY_EMAIL: Final = Query(_MEMBERS.where(col(User.email) == bindparam("email")), MemberRead)

_NEWEST_MEMBERS: Final = Query(
    _MEMBERS.where(
        tuple_(col(UserTenantMembership.joined_at), col(User.id))
        < tuple_(bindparam("at"), bindparam("id"))
    )
    .order_by(col(UserTenantMembership.joined_at).desc(), col(User.id).desc())
    .limit(bindparam("n")),
    MemberRead,
)


class MembershipRepository(LobbyRepository[UserTenantMembership]):
    model = UserTenantMembership
    conflicts = {"pk_user_tenant_membership": AlreadyMember}

    async def tenant_by_slug(self, user_id: UUID, slug: str) -> UserTenant | None:
        """Return the user's tenant of that name; `a-b` and `a_b` are one name."""
        return await self.session.row(_BY_SLUG, user_id=user_id, slug=slug)

    async def tenant_by_id(self, user_id: UUID, tenant_id: UUID) -> UserTenant | None:
        """Return the tenant with the user's role in it, if the user is a member."""
        return await self.session.row(_BY_ID, user_id=user_id, tenant_id=tenant_id)

    async def page_of_user(self, user_id: UUID, request: PageRequest) -> Page[UserTenant]:
        """Return the user's tenants, last joined first."""
        rows = await self.session.rows(_NEWEST, user_id=user_id, **request.values())
        page = Page[_Joined].of(rows, request.limit, lambda row: Position(row.joined_at, row.id))
        return Page[UserTenant](items=list(page.items), next_cursor=page.next_cursor)

    async def page_of_tenant(self, tenant_id: UUID, request: PageRequest) -> Page[MemberRead]:
        """Return the tenant's members, last joined first."""
        rows = await self.session.rows(_NEWEST_MEMBERS, tenant_id=tenant_id, **request.values())
        return Page.of(rows, request.limit, lambda row: Position(row.joined_at, row.user_id))

    async def read_member(self, tenant_id: UUID, user_id: UUID) -> MemberRead:
        """Return one of the tenant's members for display.

        Raises:
            NotFound: the user is no member.
        """
        row = await self.session.row(_MEMBER, tenant_id=tenant_id, user_id=user_id)
        if row is None:
            raise NotFound
        return row

    async def find_member(self, tenant_id: UUID, email: str) -> MemberRead | None:
        """Return the tenant's member who has this address."""
        return await self.session.row(_MEMBER_BY_EMAIL, tenant_id=tenant_id, email=email)

    async def get_of(self, tenant_id: UUID, user_id: UUID) -> UserTenantMembership:
        """Return a membership to change it, locked until the transaction ends.

        Raises:
            NotFound: the user is no member.
        """
        row = await self.find_of(tenant_id, user_id)
        if row is None:
            raise NotFound
        return row

    async def find_of(self, tenant_id: UUID, user_id: UUID) -> UserTenantMembership | None:
        """Return a membership to change it, locked until the transaction ends, or `None`."""
        return await self.session.scalar(
            select(UserTenantMembership)
            .where(
                col(UserTenantMembership.tenant_id) == tenant_id,
                col(UserTenantMembership.user_id) == user_id,
            )
            .with_for_update()
        )

    async def owners(self, tenant_id: UUID) -> list[UUID]:
        """Return the tenant's owners. Lock the tenant first (`TenantRegistry.get`), or they may change."""
        return await self.session.scalars(
            select(col(UserTenantMembership.user_id)).where(
                col(UserTenantMembership.tenant_id) == tenant_id,
                col(UserTenantMembership.role) == Role.OWNER,
            )
        )
