"""Refresh tokens and the sessions that they keep alive. Lock the user before changing any (`UserRepository.find`)."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ColumnElement, DateTime, Uuid, and_, bindparam, func, select, tuple_, update
from sqlmodel import col

from app.core.db.query import Query
from app.models.public.refresh_tokens import RefreshToken
from app.models.public.users import User
from app.repositories.base import LobbyRepository
from app.schemas.base import Page, PageRequest, Position
from app.schemas.sessions import SessionRead

_LIVE: Final[ColumnElement[bool]] = and_(
    col(RefreshToken.spent_at).is_(None),
    col(RefreshToken.revoked_at).is_(None),
    col(RefreshToken.expires_at) > func.now(),
)


class SessionFacts(BaseModel):
    """What stays the same as long as a session lives."""

    family_id: UUID
    user_id: UUID
    tenant_id: UUID | None
    started_at: datetime
    session_expires_at: datetime


class HeldToken(SessionFacts):
    """A token that a client presents, and the session that it is of."""

    id: UUID


class _State(BaseModel):
    spent_at: datetime | None


_FACTS: Final = (
    col(RefreshToken.family_id),
    col(RefreshToken.user_id),
    col(RefreshToken.tenant_id),
    col(RefreshToken.started_at),
    col(RefreshToken.session_expires_at),
)
_FIELDS: Final = (col(RefreshToken.id), *_FACTS)

_HOLD: Final = Query(
    select(*_FIELDS)
    .join(User, col(User.id) == col(RefreshToken.user_id))
    .where(col(RefreshToken.token_hash) == bindparam("token_hash"))
    .with_for_update(of=User, key_share=True),
    HeldToken,
)

_STATE: Final = Query(
    select(col(RefreshToken.spent_at)).where(col(RefreshToken.id) == bindparam("token_id")),
    _State,
)

_OF_SESSION: Final = Query(
    select(*_FACTS).where(col(RefreshToken.family_id) == bindparam("family_id"), _LIVE),
    SessionFacts,
)

_SPEND: Final = Query(
    update(RefreshToken)
    .where(col(RefreshToken.id) == bindparam("token_id"), _LIVE)
    .values(
        spent_at=bindparam("now", type_=DateTime(timezone=True)),
        # Whoever comes back with it is noticed for as long as the session may live.
        expires_at=col(RefreshToken.session_expires_at),
    )
    .returning(*_FIELDS),
    HeldToken,
)

_SESSIONS: Final = Query(
    select(
        col(RefreshToken.family_id).label("id"),
        col(RefreshToken.started_at).label("created_at"),
        col(RefreshToken.created_at).label("last_used_at"),
        col(RefreshToken.ip_address),
        col(RefreshToken.user_agent),
        (col(RefreshToken.family_id) == bindparam("current", type_=Uuid)).label("current"),
    )
    .where(
        col(RefreshToken.user_id) == bindparam("user_id"),
        _LIVE,
        tuple_(col(RefreshToken.started_at), col(RefreshToken.family_id))
        < tuple_(bindparam("at"), bindparam("id")),
    )
    .order_by(col(RefreshToken.started_at).desc(), col(RefreshToken.family_id).desc())
    .limit(bindparam("n")),
    SessionRead,
)


class RefreshTokenRepository(LobbyRepository[RefreshToken]):
    model = RefreshToken

    async def hold(self, token_hash: bytes) -> HeldToken | None:
        """Return the token in whatever state it is, and lock its user."""
        return await self.session.row(_HOLD, token_hash=token_hash)

    async def of_session(self, family_id: UUID) -> SessionFacts | None:
        """Return a live session, `None` if it has ended."""
        return await self.session.row(_OF_SESSION, family_id=family_id)

    async def spend(self, token_id: UUID, now: datetime) -> HeldToken | None:
        """Use the token up; `None` if it is not live, so that of several callers one succeeds."""
        return await self.session.row(_SPEND, token_id=token_id, now=now)

    async def is_spent(self, token_id: UUID) -> bool:
        """Tell whether the token was used up before."""
        state = await self.session.row(_STATE, token_id=token_id)
        return state is not None and state.spent_at is not None

    async def page_of_user(
        self, user_id: UUID, request: PageRequest, *, current: UUID
    ) -> Page[SessionRead]:
        """Return the user's live sessions, last started first."""
        rows = await self.session.rows(
            _SESSIONS, user_id=user_id, current=current, **request.values()
        )
        return Page.of(rows, request.limit, lambda row: Position(row.created_at, row.id))

    async def revoke_session(
        self, user_id: UUID, family_id: UUID, now: datetime
    ) -> list[SessionFacts]:
        """End a session of the user; return it, if it was alive."""
        return await self._revoke(now, user_id, col(RefreshToken.family_id) == family_id)

    async def revoke_all(
        self, user_id: UUID, now: datetime, *, but: UUID | None = None
    ) -> list[SessionFacts]:
        """End the user's sessions, all or all but one; return those that were alive."""
        others: tuple[Any, ...] = () if but is None else (col(RefreshToken.family_id) != but,)
        return await self._revoke(now, user_id, *others)

    async def let_expire(self, user_id: UUID, tenant_id: UUID, by: datetime) -> None:
        """Have the user's sessions in a tenant end at `by`, if they would not end before."""
        await self.session.execute(
            update(RefreshToken)
            .where(
                col(RefreshToken.user_id) == user_id,
                col(RefreshToken.tenant_id) == tenant_id,
                _LIVE,
            )
            .values(
                expires_at=func.least(col(RefreshToken.expires_at), by),
                session_expires_at=func.least(col(RefreshToken.session_expires_at), by),
            )
            .execution_options(synchronize_session=False)
        )

    async def _revoke(
        self, now: datetime, user_id: UUID, *which: ColumnElement[bool]
    ) -> list[SessionFacts]:
        revoked = await self.session.execute(
            update(RefreshToken)
            .where(col(RefreshToken.user_id) == user_id, *which, _LIVE)
            .values(revoked_at=now)
            .returning(*_FACTS)
            .execution_options(synchronize_session=False)
        )
        return [SessionFacts.model_validate(dict(row)) for row in revoked.mappings()]
