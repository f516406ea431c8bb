"""Sessions: what a sign-in starts, each refresh continues and a logout ends."""

from datetime import datetime
from typing import NoReturn
from uuid import UUID

from app.core.db.sessions import LobbySession
from app.core.errors import (
    NotFound,
    RefreshTokenInvalid,
    RefreshTokenReused,
    TenantNotFound,
    Unauthenticated,
)
from app.core.identifiers import utcnow, uuid7
from app.core.security.access_tokens import AccessTokens
from app.core.security.opaque_tokens import digest, is_well_formed, new_token
from app.core.security.token_settings import TokenSettings
from app.models.public.refresh_tokens import RefreshToken
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.refresh_tokens import (
    HeldToken,
    RefreshTokenRepository,
    SessionFacts,
)
from app.repositories.public.users import UserRepository
from app.schemas.sessions import EndedSessions, EndReason, SessionRecord, Tokens
from app.schemas.users import UserTenant
from app.services.audit_trail import AuditTrail


class SessionService:
    """Works inside the caller's transaction; never commits (ADR 0003).

    Each change locks the session's user first (`UserRepository.find`): one of several refreshes wins, and none slips
    past a logout.
    """

    def __init__(
        self,
        session: LobbySession,
        audit: AuditTrail,
        access_tokens: AccessTokens,
        settings: TokenSettings,
        *,
        user_agent: str | None,
    ) -> None:
        self.users = UserRepository(session)
        self.memberships = MembershipRepository(session)
        self.tokens = RefreshTokenRepository(session)
        self.audit = audit
        self.access_tokens = access_tokens
        self.settings = settings
        self.user_agent = user_agent

    async def start(self, user_id: UUID, tenant: UserTenant | None) -> Tokens:
        """Sign a user in, to a tenant that the user belongs to or to the lobby.

        The tenant may be in any state: admission says at each request what the state forbids.
        """
        await self.users.get(user_id)
        ends_by = utcnow() + self.settings.session_ttl
        return await self._begin(_new_session(user_id, tenant, ends_by), tenant)

    async def switch(self, user_id: UUID, session_id: UUID, slug: str) -> Tokens:
        """Start a session in another of the user's tenants, derived from this one.

        It ends with the sign-in, and a sign-in has a bounded number of sessions: an access token alone is worth no
        longer access (ADR 0011).

        Raises:
            TenantNotFound: there is none, or the user is no member.
            Unauthenticated: the session ended at this moment.
        """
        await self.users.get(user_id)
        current = await self.tokens.of_session(session_id)
        if current is None:
            raise Unauthenticated
        tenant = await self.memberships.tenant_by_slug(user_id, slug)
        if tenant is None:
            raise TenantNotFound
        # Beside the sign-in's own session and the new one.
        most = self.settings.sessions_per_sign_in - 2
        for surplus in await self.tokens.revoke_surplus(current, utcnow(), derived=most):
            await self._record_end(surplus, "replaced")
        return await self._begin(_derived_session(current, tenant), tenant)

    async def refresh(self, token: str) -> Tokens:
        """Spend a refresh token and return the next, with an access token for what the user may do now.

        Raises:
            RefreshTokenInvalid: it is unknown or expired, its session has ended, or its tenant is closed to the user.
            RefreshTokenReused: it was used before; the sign-in is ended, with its newest tokens.
        """
        held = await self._hold(token)
        if held is None:
            raise RefreshTokenInvalid
        if await self.tokens.spend(held.id, utcnow()) is None:
            await self._refuse(held)
        tenant = await self._tenant_of(held)
        await self.audit.record(
            "session.refreshed",
            "session",
            held.family_id,
            tenant_id=held.tenant_id,
            user_id=held.user_id,
        )
        return await self._issue(held, tenant)

    async def logout(self, token: str) -> None:
        """End the session of a refresh token, in whatever state the token is, and the others of its sign-in."""
        held = await self._hold(token)
        if held is not None:
            await self._end_one(held.user_id, held.family_id, "logout")

    async def revoke(self, user_id: UUID, session_id: UUID) -> None:
        """End one of the user's sessions and the others of its sign-in.

        Raises:
            NotFound: the user has no such session.
        """
        await self.users.get(user_id)
        if not await self._end_one(user_id, session_id, "revoked"):
            raise NotFound

    async def end_all(self, user_id: UUID, reason: EndReason, *, but: UUID | None = None) -> None:
        """End every session of the user, or every one `but` one."""
        await self.users.get(user_id)
        ended = await self.tokens.revoke_all(user_id, utcnow(), but=but)
        if ended:
            sessions = [session.family_id for session in ended]
            await self.audit.record(
                "sessions.ended",
                "user",
                user_id,
                after=EndedSessions(reason=reason, sessions=sessions),
                user_id=user_id,
            )

    async def _hold(self, token: str) -> HeldToken | None:
        return await self.tokens.hold(digest(token)) if is_well_formed(token) else None

    async def _refuse(self, held: HeldToken) -> NoReturn:
        if await self.tokens.is_spent(held.id) and await self._end_one(
            held.user_id, held.family_id, "token_reused"
        ):
            raise RefreshTokenReused
        raise RefreshTokenInvalid

    async def _tenant_of(self, held: HeldToken) -> UserTenant | None:
        if held.tenant_id is None:
            return None
        tenant = await self.memberships.tenant_by_id(held.user_id, held.tenant_id)
        if tenant is None:
            raise RefreshTokenInvalid
        return tenant

    async def _begin(self, facts: SessionFacts, tenant: UserTenant | None) -> Tokens:
        await self.audit.record(
            "session.started",
            "session",
            facts.family_id,
            after=SessionRecord(tenant=tenant.slug if tenant else None, user_agent=self.user_agent),
            tenant_id=facts.tenant_id,
            user_id=facts.user_id,
        )
        return await self._issue(facts, tenant)

    async def _issue(self, facts: SessionFacts, tenant: UserTenant | None) -> Tokens:
        now, refresh_token = utcnow(), new_token()
        await self.tokens.add(
            RefreshToken(
                **facts.model_dump(exclude={"id"}),
                token_hash=digest(refresh_token),
                ip_address=self.audit.actor.ip_address,
                user_agent=self.user_agent,
                created_at=now,
                expires_at=min(now + self.settings.refresh_ttl, facts.session_expires_at),
            )
        )
        access_token, expires_in = self.access_tokens.issue(
            user_id=facts.user_id,
            session_id=facts.family_id,
            tenant_id=tenant.id if tenant else None,
            tenant_slug=tenant.slug if tenant else None,
            role=tenant.role if tenant else None,
        )
        return Tokens(
            access_token=access_token,
            refresh_token=refresh_token,
            expires_in=expires_in,
            tenant=tenant,
        )

    async def _end_one(self, user_id: UUID, family_id: UUID, reason: EndReason) -> bool:
        ended = await self.tokens.revoke_session(user_id, family_id, utcnow())
        for session in ended:
            await self._record_end(session, reason)
        return bool(ended)

    async def _record_end(self, session: SessionFacts, reason: EndReason) -> None:
        await self.audit.record(
            "session.ended",
            "session",
            session.family_id,
            after=EndedSessions(reason=reason, sessions=[session.family_id]),
            tenant_id=session.tenant_id,
            user_id=session.user_id,
        )


def _new_session(user_id: UUID, tenant: UserTenant | None, ends_by: datetime) -> SessionFacts:
    return SessionFacts(
        family_id=uuid7(),
        root_id=None,
        user_id=user_id,
        tenant_id=tenant.id if tenant else None,
        started_at=utcnow(),
        session_expires_at=ends_by,
    )


def _derived_session(current: SessionFacts, tenant: UserTenant) -> SessionFacts:
    return SessionFacts(
        family_id=uuid7(),
        root_id=current.sign_in_id,
        user_id=current.user_id,
        tenant_id=tenant.id,
        started_at=utcnow(),
        session_expires_at=current.session_expires_at,
    )
