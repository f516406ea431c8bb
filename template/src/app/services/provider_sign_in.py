"""Signing in through the identity provider.

The provider is waited for while no connection is held, so these methods open their own transactions.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from app.core.db.database import Database
from app.core.db.sessions import LobbySession
from app.core.errors import AppError, TenantNotFound, TokenInvalid
from app.core.identifiers import utcnow
from app.core.oidc.identity_provider import IdentityProvider, Person, challenge_of
from app.core.oidc.return_addresses import with_parameters
from app.core.oidc.sign_in_states import SignInState, SignInStates
from app.core.oidc_errors import CodeMisused, SignInRefused
from app.core.security.opaque_tokens import digest, is_well_formed, new_token
from app.models.public.provider_sign_ins import ProviderSignIn as SignInRow
from app.models.public.users import User
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.provider_sign_ins import ProviderSignInRepository
from app.schemas.provider import SignInRedemption, TokenExchange
from app.schemas.sessions import Tokens
from app.schemas.users import UserTenant
from app.services.identity import Identity
from app.services.linked_users import LinkedUsers
from app.services.session_service import SessionService

CODE_TTL: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and what it keeps meanwhile."""

    url: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider sent the browser back with."""

    state: str
    code: str | None
    error: str | None
    issuer: str | None


class ProviderSignIn:
    """Opens its own transactions, see above; whether they commit is `Database`'s to say (ADR 0003)."""

    def __init__(
        self,
        database: Database,
        provider: IdentityProvider,
        states: SignInStates,
        identity: Identity,
    ) -> None:
        self.database = database
        self.provider = provider
        self.states = states
        self.identity = identity

    async def prepare(self, state: SignInState, login_hint: str | None) -> Begun:
        """Return the provider's page for a sign-in.

        Raises:
            ProviderUnavailable: the provider does not answer.
        """
        url = await self.provider.authorization_url(
            state=state.state, nonce=state.nonce, verifier=state.verifier, login_hint=login_hint
        )
        return Begun(url, self.states.sign(state))

    async def finish(self, cookie: str | None, answer: Answer) -> Tokens | str:
        """Return a session's tokens, or the URL of the page that began the sign-in.

        That page gets `code`, which it redeems, or `error`, the code of a problem.

        Raises:
            SignInInvalid: this browser has not begun the sign-in, or it came back before.
            SignInRefused, ProviderTokenInvalid, ProviderUnavailable: as the provider.
            EmailNotVerified, IdentityConflict: as `LinkedUsers`.
            TenantNotFound: there is no such tenant, or the user is no member.
        """
        state = self.states.read(cookie, state=answer.state)
        try:
            return await self._finish(state, answer)
        except AppError as exc:
            if state.return_to is None:
                raise
            return with_parameters(state.return_to, error=exc.code)

    async def redeem(self, data: SignInRedemption) -> Tokens:
        """Start the session that a code stands for; it does so once, within a minute.

        Raises:
            TokenInvalid: the code is unknown, used or expired, or its verifier is another.
            TenantNotFound: the user is no member any more.
        """
        code, verifier = data.code.get_secret_value(), data.code_verifier.get_secret_value()
        if not is_well_formed(code):
            raise TokenInvalid
        async with self.database.lobby() as session:
            found = await ProviderSignInRepository(session).use(digest(code))
            if found is None:
                raise TokenInvalid
            challenge = challenge_of(verifier)
            if not hmac.compare_digest(challenge.encode(), (found.code_challenge or "").encode()):
                raise CodeMisused
            tenant: UserTenant | None = None
            if found.tenant_id is not None:
                memberships = MembershipRepository(session)
                tenant = await memberships.tenant_by_id(found.user_id, found.tenant_id)
                if tenant is None:
                    raise TenantNotFound
            return await self._sessions(session).start(found.user_id, tenant)

    async def exchange(self, data: TokenExchange) -> Tokens:
        """Start a session for the person of an access token of the provider.

        Raises:
            ProviderTokenInvalid, ProviderUnavailable: as the provider.
            EmailNotVerified, IdentityConflict: as `LinkedUsers`.
            TenantNotFound: there is no such tenant, or the user is no member.
        """
        person = await self.provider.identify(data.access_token.get_secret_value())
        async with self.database.lobby() as session:
            user, tenant = await self._admit(session, person, data.tenant)
            return await self._sessions(session).start(user.id, tenant)

    def _sessions(self, session: LobbySession) -> SessionService:
        return self.identity.sessions(session)

    def _users(self, session: LobbySession) -> LinkedUsers:
        return LinkedUsers(session, self.identity)

    async def _finish(self, state: SignInState, answer: Answer) -> Tokens | str:
        if answer.code is None or answer.error is not None:
            raise SignInRefused
        await self.provider.check_sender(answer.issuer)
        person = await self.provider.redeem(answer.code, verifier=state.verifier, nonce=state.nonce)
        async with self.database.lobby() as session:
            user, tenant = await self._admit(session, person, state.tenant)
            row = SignInRow(
                state_hash=digest(state.state),
                user_id=user.id,
                tenant_id=tenant.id if tenant else None,
                expires_at=datetime.fromtimestamp(state.exp, UTC),
            )
            if state.return_to is None:
                await ProviderSignInRepository(session).add(row)
                return await self._sessions(session).start(user.id, tenant)
            code = new_token()
            row.code_hash, row.code_challenge = digest(code), state.code_challenge
            row.code_expires_at = utcnow() + CODE_TTL
            await ProviderSignInRepository(session).add(row)
        return with_parameters(state.return_to, code=code)

    async def _admit(
        self, session: LobbySession, person: Person, slug: str | None
    ) -> tuple[User, UserTenant | None]:
        user = await self._users(session).get(person)
        if slug is None:
            return user, None
        tenant = await MembershipRepository(session).tenant_by_slug(user.id, slug)
        if tenant is None:
            raise TenantNotFound
        return user, tenant
