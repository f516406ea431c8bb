"""Invites of one tenant, and the one that a token opens."""

from typing import Final
from uuid import UUID

from sqlalchemy import and_, bindparam, case, func, literal_column, select, tuple_
from sqlmodel import col

from app.core.db.query import Query
from app.core.errors import InvitePending, NotFound
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.models.public.tenants import Tenant, TenantStatus
from app.repositories.base import LobbyRepository
from app.schemas.base import Page, PageRequest, Position
from app.schemas.invites import InvitePreview, InviteRead

_IS_PENDING: Final = col(TenantInvite.status) == InviteStatus.PENDING

# The clean-up marks a lapsed invite later; to clients it has expired at once.
_STATUS: Final = case(
    (
        and_(_IS_PENDING, col(TenantInvite.expires_at) <= func.now()),
        literal_column(f"'{InviteStatus.EXPIRED.value}'"),
    ),
    else_=col(TenantInvite.status),
).label("status")

_OF_TENANT: Final = select(
    col(TenantInvite.id),
    col(TenantInvite.email),
    col(TenantInvite.role),
    _STATUS,
    col(TenantInvite.invited_by),
    col(TenantInvite.created_at),
    col(TenantInvite.expires_at),
).where(col(TenantInvite.tenant_id) == bindparam("tenant_id"))

_ONE: Final = Query(_OF_TENANT.where(col(TenantInvite.id) == bindparam("id")), InviteRead)

_NEWEST: Final = Query(
    _OF_TENANT.where(
        tuple_(col(TenantInvite.created_at), col(TenantInvite.id))
        < tuple_(bindparam("at"), bindparam("id"))
    )
    .order_by(col(TenantInvite.created_at).desc(), col(TenantInvite.id).desc())
    .limit(bindparam("n")),
    InviteRead,
)

_PREVIEW: Final = Query(
    select(
        col(TenantInvite.email),
        col(Tenant.name).label("tenant_name"),
        col(TenantInvite.role),
        col(TenantInvite.expires_at),
    )
    .join(Tenant, col(Tenant.id) == col(TenantInvite.tenant_id))
    .where(
        col(TenantInvite.token_hash) == bindparam("token_hash"),
        _IS_PENDING,
        col(TenantInvite.expires_at) > func.now(),
        col(Tenant.status) == TenantStatus.READY,
    ),
    InvitePreview,
)


class InviteRepository(LobbyRepository[TenantInvite]):
    model = TenantInvite
    conflicts = {"uq_tenant_invites_pending": InvitePending}

    async def page(self, tenant_id: UUID, request: PageRequest) -> Page[InviteRead]:
        """Return a tenant's invites, newest first."""
        rows = await self.session.rows(_NEWEST, tenant_id=tenant_id, **request.values())
        return Page.of(rows, request.limit, lambda row: Position(row.created_at, row.id))

    async def read(self, tenant_id: UUID, id: UUID) -> InviteRead:
        """Return one of a tenant's invites for display.

        Raises:
            NotFound: the tenant has none with that id.
        """
        row = await self.session.row(_ONE, tenant_id=tenant_id, id=id)
        if row is None:
            raise NotFound
        return row

    async def get_of(self, tenant_id: UUID, id: UUID) -> TenantInvite:
        """Return one of a tenant's invites to change it, locked until the transaction ends.

        Raises:
            NotFound: the tenant has none with that id.
        """
        row = await self.session.scalar(
            select(TenantInvite)
            .where(col(TenantInvite.tenant_id) == tenant_id, col(TenantInvite.id) == id)
            .with_for_update()
        )
        if row is None:
            raise NotFound
        return row

    async def find_pending(self, token_hash: bytes) -> TenantInvite | None:
        """Return the pending invite that a token opens, locked until the transaction ends; it may have lapsed."""
        return await self.session.scalar(
            select(TenantInvite)
            .where(col(TenantInvite.token_hash) == token_hash, _IS_PENDING)
            .with_for_update()
        )

    async def preview(self, token_hash: bytes) -> InvitePreview | None:
        """Return what a token opens, if it can be accepted now."""
        return await self.session.row(_PREVIEW, token_hash=token_hash)

    async def pending_of(self, tenant_id: UUID, *, email: str | None = None) -> list[TenantInvite]:
        """Return a tenant's pending invites, or an address's, locked until the transaction ends.

        Some may have lapsed. Lock invites before users, and users before memberships, as whoever accepts one does.
        """
        pending = select(TenantInvite).where(col(TenantInvite.tenant_id) == tenant_id, _IS_PENDING)
        if email is not None:
            pending = pending.where(col(TenantInvite.email) == email)
        return await self.session.scalars(pending.order_by(col(TenantInvite.id)).with_for_update())


def invite_read(invite: TenantInvite) -> InviteRead:
    """Return a loaded row as it was written; clients see a lapsed one as expired."""
    return InviteRead.model_validate(invite, from_attributes=True)
