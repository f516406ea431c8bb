"""Tokens that were, or will be, mailed to an address."""

from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ColumnElement, and_, bindparam, func, insert, or_, select, update
from sqlalchemy import literal as sql_literal
from sqlmodel import col

from app.core.db.query import Query
from app.core.identifiers import utcnow
from app.models.public.email_verifications import EmailVerification, VerificationPurpose
from app.models.public.users import User
from app.repositories.base import LobbyRepository

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

    async def close(self, user_id: UUID, purpose: VerificationPurpose) -> None:
        """Use up the user's other tokens of this purpose."""
        await self.session.execute(
            update(EmailVerification)
            .where(
                col(EmailVerification.user_id) == user_id,
                col(EmailVerification.purpose) == purpose,
                _UNUSED,
            )
            .values(used_at=utcnow())
            .execution_options(synchronize_session=False)
        )

    async def add_reset(self, id: UUID, email: str, expires_at: datetime) -> None:
        """Add a reset for the user with this address, if there is one, in one statement."""
        columns = ("id", "user_id", "purpose", "expires_at", "created_at")
        values = select(
            sql_literal(id),
            col(User.id),
            sql_literal(VerificationPurpose.RESET_PASSWORD.value),
            sql_literal(expires_at),
            sql_literal(utcnow()),
        ).where(col(User.email) == email)
        await self.session.execute(
            insert(EmailVerification).from_select(columns, values, include_defaults=False)
        )

    async def reopen(self, email: str, expires_at: datetime) -> Proof | None:
        """Return the latest registration that still waits for its mail to be answered, open until `expires_at`."""
        latest = (
            select(col(EmailVerification.id))
            .join(User, col(User.id) == col(EmailVerification.user_id))
            .where(
                col(User.email) == email,
                col(EmailVerification.purpose) == VerificationPurpose.VERIFY_EMAIL,
                _UNUSED,
                # A verified user needs a mail for the sake of the tenant alone.
                or_(
                    col(User.email_verified_at).is_(None),
                    col(EmailVerification.tenant_id).is_not(None),
                ),
            )
            .order_by(col(EmailVerification.created_at).desc(), col(EmailVerification.id).desc())
            .limit(1)
            .scalar_subquery()
        )
        reopened = await self.session.execute(
            update(EmailVerification)
            .where(col(EmailVerification.id) == latest, _UNUSED)
            .values(expires_at=expires_at)
            .returning(*_FIELDS)
            .execution_options(synchronize_session=False)
        )
        row = reopened.mappings().one_or_none()
        return None if row is None else Proof.model_validate(dict(row))
