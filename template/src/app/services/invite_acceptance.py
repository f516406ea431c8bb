"""What the holder of an invite's token may do: nobody else has read the mail to that address."""

from typing import Final
from uuid import UUID

from app.core.db.database import Database
from app.core.db.sessions import LobbySession
from app.core.errors import (
    AppError,
    InvalidRequest,
    InviteOfOtherAddress,
    TenantDeleted,
    TenantNotReady,
    TenantSuspended,
    TokenInvalid,
    Unauthenticated,
)
from app.core.identifiers import utcnow
from app.core.security.opaque_tokens import digest, is_well_formed
from app.core.security.passwords import Passwords
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.models.public.tenants import TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.users import User
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.tenant_invites import InviteRepository
from app.repositories.public.tenants import TenantRegistry
from app.repositories.public.users import UserRepository, user_read
from app.schemas.invites import InviteAccept, InvitePreview, InviteRead
from app.schemas.sessions import Tokens
from app.services.audit_trail import AuditTrail
from app.services.identity import Identity
from app.services.workflow_requests import Mail, WorkflowRequests

_CLOSED: Final[dict[TenantStatus, type[AppError]]] = {
    TenantStatus.SUSPENDED: TenantSuspended,
    TenantStatus.DELETING: TenantDeleted,
    TenantStatus.DELETED: TenantDeleted,
}


class InviteAcceptance:
    """Works inside the caller's transaction; never commits (ADR 0003).

    Every method but `preview` raises `TokenInvalid` if the token opens no pending invite, and what admission would
    answer if the tenant is closed.
    """

    def __init__(self, session: LobbySession, identity: Identity) -> None:
        self.invites = InviteRepository(session)
        self.tenants = TenantRegistry(session)
        self.memberships = MembershipRepository(session)
        self.users = UserRepository(session)
        self.requests = WorkflowRequests(session)
        self.audit = AuditTrail(session, identity.actor)
        self.sessions = identity.sessions(session)

    async def preview(self, token: str) -> InvitePreview:
        """Return what is offered to whom.

        Raises:
            TokenInvalid: the token opens no pending invite of an open tenant.
        """
        found = await self.invites.preview(digest(token)) if is_well_formed(token) else None
        if found is None:
            raise TokenInvalid
        return found

    async def accept(self, token: str, user_id: UUID) -> Tokens:
        """Make a signed-in user a member and start a session in the tenant. It proves the user's address as well.

        Raises:
            InviteOfOtherAddress: the user has another address than the invited one.
            AlreadyMember: the user joined in another way.
        """
        invite = await self._opened(token)
        user = await self.users.get(user_id)
        if user.email != invite.email:
            raise InviteOfOtherAddress
        if user.email_verified_at is None:
            await self._change(user, "user.verified", email_verified_at=utcnow())
        return await self._join(invite, user.id)

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
        replaced and its sessions end (ADR 0007).

        Raises:
            Unauthenticated: the address has got an account in between.
        """
        invite = await self._opened(token)
        new = User(email=invite.email, full_name=full_name, password_hash=password_hash)
        account = await self.users.find_or_add(new)
        user = await self.users.get(account.id)
        if user.email_verified_at is not None:
            raise _sign_in()
        is_new = account.id == new.id
        await self._change(
            user,
            "user.created" if is_new else "user.verified",
            full_name=full_name,
            password_hash=password_hash,
            email_verified_at=utcnow(),
        )
        if not is_new:
            await self.sessions.end_all(user.id, "password_changed")
        await self.requests.send_email(
            Mail.WELCOME, user.id, user_id=user.id, tenant_id=invite.tenant_id
        )
        return await self._join(invite, user.id)

    async def _opened(self, token: str) -> TenantInvite:
        invite = await self.invites.find_pending(digest(token)) if is_well_formed(token) else None
        if invite is None or invite.expires_at <= utcnow():
            raise TokenInvalid
        status = await self.tenants.status(invite.tenant_id)
        if status is not TenantStatus.READY:
            raise _CLOSED.get(status, TenantNotReady)()
        return invite

    async def _change(self, user: User, action: str, **changes: object) -> None:
        before = user_read(user)
        await self.users.update(user, changes)
        await self.audit.record(
            action,
            "user",
            user.id,
            before=None if action == "user.created" else before,
            after=user_read(user),
            user_id=user.id,
        )

    async def _join(self, invite: TenantInvite, user_id: UUID) -> Tokens:
        tenant_id, before = invite.tenant_id, _read(invite)
        await self.memberships.add(
            UserTenantMembership(tenant_id=tenant_id, user_id=user_id, role=invite.role)
        )
        accepted = {
            "status": InviteStatus.ACCEPTED,
            "accepted_by": user_id,
            "resolved_at": utcnow(),
        }
        after = _read(await self.invites.update(invite, accepted))
        member = await self.memberships.read_member(tenant_id, user_id)
        await self.audit.record(
            "invite.accepted",
            "invite",
            invite.id,
            before=before,
            after=after,
            tenant_id=tenant_id,
            user_id=user_id,
        )
        await self.audit.record(
            "member.joined",
            "member",
            user_id,
            after=member,
            tenant_id=tenant_id,
            user_id=user_id,
        )
        tenant = await self.memberships.tenant_by_id(user_id, tenant_id)
        return await self.sessions.start(user_id, tenant)


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
            email = await InviteAcceptance(session, self.identity).address_of_newcomer(token)
        if data.password is None:
            raise InvalidRequest("A new user chooses a password.", pointer="/body/password")
        if data.full_name is None:
            raise InvalidRequest("A new user gives a name.", pointer="/body/full_name")
        password = data.password.get_secret_value()
        await self.passwords.require_strength(password, email, data.full_name)
        password_hash = await self.passwords.hash(password)
        async with self.database.lobby() as session:
            return await InviteAcceptance(session, self.identity).accept_as_newcomer(
                token, data.full_name, password_hash
            )


def _read(invite: TenantInvite) -> InviteRead:
    return InviteRead.model_validate(invite, from_attributes=True)


def _sign_in() -> Unauthenticated:
    return Unauthenticated("The invited address has an account: sign in to accept.")
