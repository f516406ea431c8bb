"""Tenants: the lobby's list of them."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, String, bindparam, func, literal_column, select, text, tuple_
from sqlmodel import col

from app.core.db.query import Query
from app.core.errors import SlugTaken, TenantNotFound, TransitionNotAllowed
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.repositories.base import LobbyRepository
from app.repositories.public.pending_tenants import IS_SHOWN
from app.schemas.admin import AdminTenantRead
from app.schemas.base import Page, PageRequest, Position
from app.schemas.tenants import TenantRead

_OF_MEMBER: Final[Select[*tuple[Any, ...]]] = (
    select(
        col(Tenant.id),
        col(Tenant.name),
        col(Tenant.slug),
        col(Tenant.status),
        col(Tenant.attributes).label("metadata"),
        col(Tenant.created_at),
        col(UserTenantMembership.role),
    )
    .join(UserTenantMembership, col(UserTenantMembership.tenant_id) == col(Tenant.id))
    .where(col(UserTenantMembership.user_id) == bindparam("user_id"))
)

_CURRENT: Final = Query(_OF_MEMBER.where(col(Tenant.id) == bindparam("tenant_id")), TenantRead)

# Written as the index `uq_tenants_slug` is, without parameters, so that it can be used: at most one row.
_NOT_DELETED: Final = col(Tenant.status) != literal_column("'deleted'")

_BY_SLUG: Final = Query(
    _OF_MEMBER.where(
        func.replace(col(Tenant.slug), text("'-'"), text("'_'"))
        == func.replace(bindparam("slug", type_=String), text("'-'"), text("'_'")),
        _NOT_DELETED,
        IS_SHOWN,
    ),
    TenantRead,
)

_MINE: Final = Query(
    _OF_MEMBER.where(
        tuple_(col(Tenant.created_at), col(Tenant.id)) < tuple_(bindparam("at"), bindparam("id")),
        _NOT_DELETED,
        IS_SHOWN,
    )
    .order_by(col(Tenant.created_at).desc(), col(Tenant.id).desc())
    .limit(bindparam("n")),
    TenantRead,
)


class TenantRegistry(LobbyRepository[Tenant]):
    """Tenants in every state. A deleted one is only found by its id: its slug may be another's by now."""

    model = Tenant
    conflicts = {"uq_tenants_slug": SlugTaken, "ck_tenants_transition": TransitionNotAllowed}

    async def find(self, id: UUID) -> Tenant | None:
        """Return the row to change it, locked until the transaction ends, or `None`.

        Whoever changes a tenant's state or its owners holds this lock. It leaves foreign keys to the tenant free, such
        as those of a member's login.
        """
        return await self.session.scalar(
            select(Tenant).where(col(Tenant.id) == id).with_for_update(key_share=True)
        )

    async def page_of_member(self, user_id: UUID, request: PageRequest) -> Page[TenantRead]:
        """Return the tenants that a user belongs to, newest first."""
        rows = await self.session.rows(_MINE, user_id=user_id, **request.values())
        return Page.of(rows, request.limit, lambda row: Position(row.created_at, row.id))

    async def read_by_slug(self, slug: str, *, user_id: UUID) -> TenantRead:
        """Return one of a user's tenants.

        Raises:
            TenantNotFound: there is none, or the user is no member.
        """
        row = await self.session.row(_BY_SLUG, slug=slug, user_id=user_id)
        if row is None:
            raise TenantNotFound
        return row

    async def read(self, tenant_id: UUID, *, user_id: UUID) -> TenantRead:
        """Return one of a user's tenants.

        Raises:
            TenantNotFound: there is none, or the user is no member.
        """
        row = await self.session.row(_CURRENT, tenant_id=tenant_id, user_id=user_id)
        if row is None:
            raise TenantNotFound
        return row

    async def status(self, id: UUID) -> TenantStatus:
        """Return the state of a tenant.

        Raises:
            TenantNotFound: there is none.
        """
        status = await self.session.scalar(select(col(Tenant.status)).where(col(Tenant.id) == id))
        if status is None:
            raise TenantNotFound
        return status

    async def page(
        self, request: PageRequest, *, status: TenantStatus | None
    ) -> Page[AdminTenantRead]:
        """Return every user's tenants, newest first."""
        key = tuple_(col(Tenant.created_at), col(Tenant.id))
        statement = (
            select(Tenant)
            .where(key < (request.after.at, request.after.id))
            .order_by(col(Tenant.created_at).desc(), col(Tenant.id).desc())
            .limit(request.limit + 1)
        )
        if status is not None:
            statement = statement.where(col(Tenant.status) == status)
        rows = [AdminTenantRead.of(tenant) for tenant in await self.session.scalars(statement)]
        return Page.of(rows, request.limit, lambda row: Position(row.created_at, row.id))
