"""Tokens that were, or will be, mailed to an address."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ColumnElement, and_, bindparam, func, insert, literal, select, update
from sqlmodel import col

from app.core.db.query import Query
from app.core.identifiers import utcnow
from app.models.public.email_verifications import EmailVerification, VerificationPurpose
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.users import User
from app.repositories.base import LobbyRepository
from app.schemas.passwords import RegistrationPreview

MAX_LISTED: Final = 10
"""Registrations that one mail names."""

_UNUSED: Final[ColumnElement[bool]] = col(EmailVerification.used_at).is_(None)
_OPEN: Final = and_(_UNUSED, col(EmailVerification.expires_at) > func.now())


class Proof(BaseModel):
    """What a token from a mail stands for."""

    id: UUID
    user_id: UUID
    tenant_id: UUID | None
    full_name: str | None
    password_hash: str | None


_FIELDS: Final = (
    col(EmailVerification.id),
    col(EmailVerification.user_id),
    col(EmailVerification.tenant_id),
    col(EmailVerification.full_name),
    col(EmailVerification.password_hash),
)

_FIND: Final = Query(
    select(*_FIELDS).where(
        col(EmailVerification.token_hash) == bindparam("token_hash"),
        col(EmailVerification.purpose) == bindparam("purpose"),
        _OPEN,
    ),
    Proof,
)


# Without the names of a tenant that was given up: the token opens none.
_PREVIEW: Final = Query(
    select(
        col(User.email),
        func.coalesce(col(EmailVerification.full_name), col(User.full_name)).label("full_name"),
        col(Tenant.name).label("tenant_name"),
        col(Tenant.slug).label("tenant_slug"),
        col(EmailVerification.created_at).label("registered_at"),
        col(User.email_verified_at).is_(None).label("sets_password"),
    )
    .select_from(EmailVerification)
    .join(User, col(User.id) == col(EmailVerification.user_id))
    .outerjoin(
        Tenant,
        and_(
            col(Tenant.id) == col(EmailVerification.tenant_id),
            col(Tenant.status) != TenantStatus.DELETED,
        ),
    )
    .where(
        col(EmailVerification.token_hash) == bindparam("token_hash"),
        col(EmailVerification.purpose) == VerificationPurpose.VERIFY_EMAIL,
        _OPEN,
    ),
    RegistrationPreview,
)


class EmailVerificationRepository(LobbyRepository[EmailVerification]):
    model = EmailVerification

    async def find_open(self, token_hash: bytes, purpose: VerificationPurpose) -> Proof | None:
        """Return what the token stands for, as long as it can be used."""
        return await self.session.row(_FIND, token_hash=token_hash, purpose=purpose.value)

    async def use(self, token_hash: bytes, purpose: VerificationPurpose) -> Proof | None:
        """Use the token up; `None` if it cannot be used, so that of several callers one succeeds."""
        used = await self.session.execute(
            update(EmailVerification)
            .where(
                col(EmailVerification.token_hash) == token_hash,
                col(EmailVerification.purpose) == purpose,
                _OPEN,
            )
            .values(used_at=utcnow())
            .returning(*_FIELDS)
            .execution_options(synchronize_session=False)
        )
        row = used.mappings().one_or_none()
        return None if row is None else Proof.model_validate(dict(row))

    async def preview(self, token_hash: bytes) -> RegistrationPreview | None:
        """Return what the token of a registration confirms, as long as it can be used."""
        return await self.session.row(_PREVIEW, token_hash=token_hash)

    async def close(self, user_id: UUID, purpose: VerificationPurpose) -> list[UUID]:
        """Use up the user's other tokens of this purpose, and return the tenants that they would have opened."""
        closed = await self.session.execute(
            update(EmailVerification)
            .where(
                col(EmailVerification.user_id) == user_id,
                col(EmailVerification.purpose) == purpose,
                _UNUSED,
            )
            .values(used_at=utcnow())
            .returning(col(EmailVerification.tenant_id))
            .execution_options(synchronize_session=False)
        )
        return sorted(id for id in closed.scalars() if id is not None)

    async def add_reset(self, id: UUID, email: str, expires_at: datetime) -> None:
        """Add a reset for the user with this address, if there is one, in one statement."""
        columns = ("id", "user_id", "purpose", "expires_at", "created_at")
        values = select(
            literal(id),
            col(User.id),
            literal(VerificationPurpose.RESET_PASSWORD.value),
            literal(expires_at),
            literal(utcnow()),
        ).where(col(User.email) == email)
        await self.session.execute(
            insert(EmailVerification).from_select(columns, values, include_defaults=False)
        )

    async def reopen(self, user_id: UUID, expires_at: datetime) -> list[UUID]:
        """Return registrations of the user whose mails were not answered, open until `expires_at`.

        There are at most `MAX_LISTED`: those that would expire first, so that the next call goes on with others.
        """
        waiting = (
            select(col(EmailVerification.id))
            .where(
                col(EmailVerification.user_id) == user_id,
                col(EmailVerification.purpose) == VerificationPurpose.VERIFY_EMAIL,
                _UNUSED,
            )
            .order_by(col(EmailVerification.expires_at), col(EmailVerification.id))
            .limit(MAX_LISTED)
        )
        reopened = await self.session.execute(
            update(EmailVerification)
            .where(col(EmailVerification.id).in_(waiting))
            .values(expires_at=expires_at)
            .returning(col(EmailVerification.id))
            .execution_options(synchronize_session=False)
        )
        return sorted(reopened.scalars())

    async def listed(self, ids: Sequence[UUID]) -> list[EmailVerification]:
        """Return the rows that can still be used, oldest first, locked until the transaction ends."""
        return await self.session.scalars(
            select(EmailVerification)
            .where(col(EmailVerification.id).in_(ids), _OPEN)
            .order_by(col(EmailVerification.created_at), col(EmailVerification.id))
            .with_for_update()
        )
