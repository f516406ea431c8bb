"""Refresh tokens and the sessions that they keep alive. Lock the user before changing any (`UserRepository.find`)."""

from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Label,
    Uuid,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.core.db.query import Query
from app.models.public.refresh_tokens import RefreshToken
from app.models.public.users import User
from app.repositories.base import LobbyRepository
from app.repositories.pages import Pages
from app.schemas.base import Page, PageRequest
from app.schemas.sessions import SessionRead


def _live(token: type[RefreshToken]) -> ColumnElement[bool]:
    return and_(
        col(token.spent_at).is_(None),
        col(token.revoked_at).is_(None),
        col(token.expires_at) > func.now(),
    )


def _sign_in_of(token: type[RefreshToken]) -> ColumnElement[UUID]:
    return func.coalesce(col(token.root_id), col(token.family_id))


_LIVE: Final = _live(RefreshToken)

_Root: Final = aliased(RefreshToken)

# As admission has it: a derived session is over when that of its sign-in is, however that ended.
_GOES_ON: Final = and_(
    _LIVE,
    or_(
        col(RefreshToken.root_id).is_(None),
        exists().where(col(_Root.family_id) == col(RefreshToken.root_id), _live(_Root)),
    ),
)


class SessionFacts(BaseModel):
    """What stays the same as long as a session lives."""

    family_id: UUID
    root_id: UUID | None
    user_id: UUID
    tenant_id: UUID | None
    started_at: datetime
    session_expires_at: datetime

    @property
    def sign_in_id(self) -> UUID:
        """The session that the sign-in began: this one, if it is not derived."""
        return self.root_id or self.family_id


class HeldToken(SessionFacts):
    """A token that a client presents, and the session that it is of."""

    id: UUID


class _State(BaseModel):
    spent_at: datetime | None


_FACTS: Final = (
    col(RefreshToken.family_id),
    col(RefreshToken.root_id),
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
    select(*_FACTS).where(col(RefreshToken.family_id) == bindparam("family_id"), _GOES_ON),
    SessionFacts,
)

_SPEND: Final = Query(
    update(RefreshToken)
    .where(col(RefreshToken.id) == bindparam("token_id"), _GOES_ON)
    .values(
        spent_at=bindparam("now", type_=DateTime(timezone=True)),
        # Whoever comes back with it is noticed for as long as the session may live.
        expires_at=col(RefreshToken.session_expires_at),
    )
    .returning(*_FIELDS),
    HeldToken,
)

_ID: Final[Label[UUID]] = col(RefreshToken.family_id).label("id")
_STARTED_AT: Final[Label[datetime]] = col(RefreshToken.started_at).label("created_at")

_SESSIONS: Final = Pages(
    select(
        _ID,
        _STARTED_AT,
        col(RefreshToken.created_at).label("last_used_at"),
        col(RefreshToken.ip_address),
        col(RefreshToken.user_agent),
        (col(RefreshToken.family_id) == bindparam("current", type_=Uuid)).label("current"),
        _sign_in_of(RefreshToken).label("sign_in_id"),
    ).where(
        col(RefreshToken.user_id) == bindparam("user_id"),
        _GOES_ON,
    ),
    SessionRead,
    at=_STARTED_AT,
    id=_ID,
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
        return await _SESSIONS.read(self.session, request, user_id=user_id, current=current)

    async def revoke_session(
        self, user_id: UUID, family_id: UUID, now: datetime
    ) -> list[SessionFacts]:
        """End a session of the user and the others of its sign-in; return those that were alive."""
        named = aliased(RefreshToken)
        sign_in = select(_sign_in_of(named)).where(col(named.family_id) == family_id, _live(named))
        return await self._revoke(
            now, user_id, _sign_in_of(RefreshToken) == sign_in.scalar_subquery()
        )

    async def revoke_surplus(
        self, current: SessionFacts, now: datetime, *, derived: int
    ) -> list[SessionFacts]:
        """End what the current session's sign-in has beyond so many `derived` sessions; return it.

        The longest unused go first, the current one last.
        """
        surplus = (
            select(col(RefreshToken.family_id))
            .where(
                col(RefreshToken.user_id) == current.user_id,
                col(RefreshToken.root_id) == current.sign_in_id,
                _LIVE,
            )
            .order_by(
                (col(RefreshToken.family_id) == current.family_id).desc(),
                col(RefreshToken.created_at).desc(),
                col(RefreshToken.id).desc(),
            )
            .offset(derived)
        )
        return await self._revoke(now, current.user_id, col(RefreshToken.family_id).in_(surplus))

    async def revoke_all(
        self, user_id: UUID, now: datetime, *, but: UUID | None = None
    ) -> list[SessionFacts]:
        """End the user's sessions, all or all but one; return those that were alive.

        The one that stays is no longer derived from another.
        """
        if but is None:
            return await self._revoke(now, user_id)
        await self.session.execute(
            update(RefreshToken)
            .where(col(RefreshToken.family_id) == but, _LIVE)
            .values(root_id=None)
            .execution_options(synchronize_session=False)
        )
        return await self._revoke(now, user_id, col(RefreshToken.family_id) != but)

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
