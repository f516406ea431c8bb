"""Invites of one tenant or of one address, and the one that a token opens."""

from typing import Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.core.db.query import Query
from app.core.errors import InvitePending, NotFound
from app.core.roles import Role
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.users import User
from app.repositories.base import LobbyRepository
from app.repositories.pages import Pages
from app.schemas.base import Page, PageRequest
from app.schemas.invites import InvitePreview, InviteRead, OwnInviteRead

_MAY_INVITE: Final = or_(
    *(
        and_(col(UserTenantMembership.role) == sender, col(TenantInvite.role) == invited)
        for sender in Role
        for invited in Role
        if sender.may_invite(invited)
    )
)

IS_VOUCHED_FOR: Final = exists().where(
    col(UserTenantMembership.tenant_id) == col(TenantInvite.tenant_id),
    col(UserTenantMembership.user_id) == col(TenantInvite.invited_by),
    _MAY_INVITE,
)
"""The invite's sender is a member who may hand it out now."""

_IS_PENDING: Final = col(TenantInvite.status) == InviteStatus.PENDING
_HAS_LAPSED: Final = col(TenantInvite.expires_at) <= func.now()
_CAN_BE_ACCEPTED: Final = and_(_IS_PENDING, ~_HAS_LAPSED, IS_VOUCHED_FOR)


def _status(shown: InviteStatus) -> ColumnElement[str]:
    return literal_column(f"'{shown.value}'")


# The clean-up records these two ends later; to clients the invite has ended at once.
_STATUS: Final = case(
    (and_(_IS_PENDING, _HAS_LAPSED), _status(InviteStatus.EXPIRED)),
    (and_(_IS_PENDING, ~IS_VOUCHED_FOR), _status(InviteStatus.CANCELLED)),
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

_NEWEST: Final = Pages(
    _OF_TENANT, InviteRead, at=col(TenantInvite.created_at), id=col(TenantInvite.id)
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
        _CAN_BE_ACCEPTED,
        col(Tenant.status) == TenantStatus.READY,
    ),
    InvitePreview,
)

_SENDER: Final = aliased(User)
_OWN_MEMBERSHIP: Final = aliased(UserTenantMembership)
_IS_MEMBER: Final = exists().where(
    col(_OWN_MEMBERSHIP.tenant_id) == col(TenantInvite.tenant_id),
    col(_OWN_MEMBERSHIP.user_id) == bindparam("user_id"),
)

_OWN: Final = Pages(
    select(
        col(TenantInvite.id),
        col(Tenant.name).label("tenant_name"),
        col(Tenant.slug).label("tenant_slug"),
        col(TenantInvite.role),
        col(_SENDER.full_name).label("invited_by_name"),
        col(TenantInvite.created_at),
        col(TenantInvite.expires_at),
    )
    .join(Tenant, col(Tenant.id) == col(TenantInvite.tenant_id))
    .join(_SENDER, col(_SENDER.id) == col(TenantInvite.invited_by))
    .join(User, col(User.email) == col(TenantInvite.email))
    .where(
        col(User.id) == bindparam("user_id"),
        _CAN_BE_ACCEPTED,
        col(Tenant.status) == TenantStatus.READY,
        ~_IS_MEMBER,
    ),
    OwnInviteRead,
    at=col(TenantInvite.created_at),
    id=col(TenantInvite.id),
)


class InviteRepository(LobbyRepository[TenantInvite]):
    model = TenantInvite
    conflicts = {"uq_tenant_invites_pending": InvitePending}

    async def page(self, tenant_id: UUID, request: PageRequest) -> Page[InviteRead]:
        """Return a tenant's invites, newest first."""
        return await _NEWEST.read(self.session, request, tenant_id=tenant_id)

    async def page_of_user(self, user_id: UUID, request: PageRequest) -> Page[OwnInviteRead]:
        """Return what the user's address can accept now, newest first. It has to be verified."""
        return await _OWN.read(self.session, request, user_id=user_id)

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
            .where(col(TenantInvite.token_hash) == token_hash, _IS_PENDING, IS_VOUCHED_FOR)
            .with_for_update()
        )

    async def preview(self, token_hash: bytes) -> InvitePreview | None:
        """Return what a token opens, if it can be accepted now."""
        return await self.session.row(_PREVIEW, token_hash=token_hash)

    async def pending_of(self, tenant_id: UUID, *, email: str | None = None) -> list[TenantInvite]:
        """Return a tenant's pending invites, or an address's, locked until the transaction ends.

        Some may have lapsed. Lock invites before users, and users before memberships, as an acceptance does.
        """
        of_address = () if email is None else (col(TenantInvite.email) == email,)
        return await self._pending(col(TenantInvite.tenant_id) == tenant_id, *of_address)

    async def pending_from(
        self, tenant_id: UUID, user_id: UUID, *, role: Role | None, limit: int
    ) -> list[TenantInvite]:
        """Return up to `limit` pending invites that a user sent and may not hand out with `role`, locked as others."""
        kept = [other for other in Role if role is not None and role.may_invite(other)]
        return await self._pending(
            col(TenantInvite.tenant_id) == tenant_id,
            col(TenantInvite.invited_by) == user_id,
            col(TenantInvite.role).not_in(kept),
            limit=limit,
        )

    async def _pending(
        self, *which: ColumnElement[bool], limit: int | None = None
    ) -> list[TenantInvite]:
        return await self.session.scalars(
            select(TenantInvite)
            .where(_IS_PENDING, *which)
            .order_by(col(TenantInvite.id))
            .limit(limit)
            .with_for_update()
        )


def invite_read(invite: TenantInvite) -> InviteRead:
    """Return a loaded row as it was written; clients see one that has lapsed or lost its sender as ended."""
    return InviteRead.model_validate(invite, from_attributes=True)
