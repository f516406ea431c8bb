"""Tokens that were, or will be, mailed to an address."""

from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ColumnElement, and_, bindparam, func, insert, literal, select, update
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
        return await self._change(
            col(EmailVerification.token_hash) == token_hash,
            col(EmailVerification.purpose) == purpose,
            _OPEN,
            used_at=utcnow(),
        )

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
            literal(id),
            col(User.id),
            literal(VerificationPurpose.RESET_PASSWORD.value),
            literal(expires_at),
            literal(utcnow()),
        ).where(col(User.email) == email)
        await self.session.execute(
            insert(EmailVerification).from_select(columns, values, include_defaults=False)
        )

    async def reopen(self, user_id: UUID, expires_at: datetime) -> Proof | None:
        """Return the user's latest registration whose mail was not answered, open until `expires_at`."""
        latest = (
            select(col(EmailVerification.id))
            .where(
                col(EmailVerification.user_id) == user_id,
                col(EmailVerification.purpose) == VerificationPurpose.VERIFY_EMAIL,
                _UNUSED,
            )
            .order_by(col(EmailVerification.created_at).desc(), col(EmailVerification.id).desc())
            .limit(1)
            .scalar_subquery()
        )
        return await self._change(
            col(EmailVerification.id) == latest, _UNUSED, expires_at=expires_at
        )

    async def _change(self, *which: ColumnElement[bool], **values: datetime) -> Proof | None:
        changed = await self.session.execute(
            update(EmailVerification)
            .where(*which)
            .values(**values)
            .returning(*_FIELDS)
            .execution_options(synchronize_session=False)
        )
        row = changed.mappings().one_or_none()
        return None if row is None else Proof.model_validate(dict(row))
