"""What the holder of an invite's token may do who has no account yet."""

from app.core.db.database import Database
from app.core.db.sessions import LobbySession
from app.core.errors import InvalidRequest, Unauthenticated
from app.core.security.passwords import Passwords
from app.models.public.users import User
from app.schemas.passwords import InviteAccept
from app.schemas.sessions import Tokens
from app.services.identity import Identity
from app.services.invite_acceptance import InviteAcceptance
from app.services.workflow_requests import Mail, WorkflowRequests


class ProvingAcceptance(InviteAcceptance):
    """Works inside the caller's transaction; never commits (ADR 0003). Accepting proves the invited address."""

    def __init__(self, session: LobbySession, identity: Identity) -> None:
        super().__init__(session, identity)
        self.proofs = identity.proofs(session)

    async def address_of_newcomer(self, token: str) -> str:
        """Return the invited address, for which nobody has proven an account yet.

        Raises:
            Unauthenticated: somebody has; they must sign in.
        """
        invite = await self._opened(token)
        account = await self.users.account(invite.email)
        if account is not None and account.email_verified:
            raise _sign_in()
        return invite.email

    async def accept_as_newcomer(self, token: str, full_name: str, password_hash: str) -> Tokens:
        """Make a new user a member and start a session in the tenant.

        An account that was registered for the address and never proven becomes this user's: password and name are
        replaced, and its sessions and registrations end (ADR 0007).

        Raises:
            Unauthenticated: the address has got an account in between.
        """
        invite = await self._opened(token)
        new = User(email=invite.email, full_name=full_name, password_hash=password_hash)
        account = await self.users.find_or_add(new)
        user = await self.users.get(account.id)
        if user.email_verified_at is not None:
            raise _sign_in()
        action = "user.created" if account.id == new.id else "user.verified"
        await self.proofs.choose(user, password_hash, action=action, full_name=full_name)
        await WorkflowRequests(self.session).send_email(
            Mail.WELCOME, user.id, user_id=user.id, tenant_id=invite.tenant_id
        )
        tenant = await self._join(invite, user.id)
        return await self.sessions.start(user.id, tenant)

    async def _prove(self, user: User) -> None:
        await self.proofs.prove(user)


class InviteSignUp:
    """Accepts for somebody who has not signed in. It opens its own transactions, as `AuthService` does and says why."""

    def __init__(self, database: Database, passwords: Passwords, identity: Identity) -> None:
        self.database = database
        self.passwords = passwords
        self.identity = identity

    async def accept(self, data: InviteAccept) -> Tokens:
        """Make a new user a member and start a session in the tenant.

        Raises:
            TokenInvalid: the token opens no pending invite.
            Unauthenticated: the address has an account; its user must sign in.
            InvalidRequest: the password or the name is missing.
            PasswordTooWeak: the password is easy to guess; the token stays good.
            TenantSuspended, TenantDeleted: the tenant is closed.
        """
        token = data.token.get_secret_value()
        async with self.database.lobby() as session:
            email = await ProvingAcceptance(session, self.identity).address_of_newcomer(token)
        if data.password is None:
            raise InvalidRequest("A new user chooses a password.", pointer="/body/password")
        if data.full_name is None:
            raise InvalidRequest("A new user gives a name.", pointer="/body/full_name")
        password = data.password.get_secret_value()
        await self.passwords.require_strength(password, email, data.full_name)
        password_hash = await self.passwords.hash(password)
        async with self.database.lobby() as session:
            return await ProvingAcceptance(session, self.identity).accept_as_newcomer(
                token, data.full_name, password_hash
            )


def _sign_in() -> Unauthenticated:
    return Unauthenticated("The invited address has an account: sign in to accept.")
