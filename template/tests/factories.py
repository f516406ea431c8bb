"""Data that a test brings along: users, memberships and clients that are signed in."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import inspect, select
from sqlmodel import SQLModel, col

from app.api.dependencies.components import Components
from app.core.db.sessions import LobbySession
from app.core.identifiers import utcnow, uuid7
from app.core.roles import Role
from app.models.public.refresh_tokens import RefreshToken
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.users import User
from app.repositories.public.memberships import MembershipRepository
from app.services.audit_trail import Actor
from app.services.identity import Identity
from tests.sending import send
from tests.sign_in.mode import USER_COLUMNS


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user with a session, and how it calls the service."""

    client: httpx.AsyncClient
    user_id: UUID
    email: str
    session_id: UUID
    token: str
    tenant: str | None

    async def call(
        self, method: str, path: str, *, tenant: str | None = None, **options: Any
    ) -> httpx.Response:
        """Send a request with the token, for `tenant` or else the session's."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        named = self.tenant if tenant is None else tenant
        return await send(self.client, method, path, tenant=named, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a GET."""
        return await self.call("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        """Send a POST."""
        return await self.call("POST", path, json=json, **options)

    async def patch(self, path: str, json: Any, **options: Any) -> httpx.Response:
        """Send a PATCH."""
        return await self.call("PATCH", path, json=json, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        """Send a DELETE."""
        return await self.call("DELETE", path, **options)


class Factory:
    """Writes rows as the application's role, and commits them."""

    def __init__(self, components: Components, client: httpx.AsyncClient) -> None:
        self.components = components
        self.client = client

    async def user(
        self, email: str | None = None, *, verified: bool = True, superuser: bool = False
    ) -> User:
        """Add a user."""
        user = _user(email, verified=verified, superuser=superuser)
        await self._add(user)
        return user

    async def tenant(
        self, slug: str | None = None, *, status: TenantStatus = TenantStatus.PROVISIONING
    ) -> Tenant:
        """Add a tenant without a schema, in a state that a service may start from or reach."""
        slug = slug or f"t-{secrets.token_hex(6)}"
        tenant = Tenant(
            slug=slug,
            name=slug.title(),
            status=status,
            schema_name=f"tenant_{slug.replace('-', '_')}",
        )
        # The database completes it.
        async with self.components.database.lobby() as lobby:
            await lobby.add(tenant)
        return tenant

    async def find_tenant(self, slug: str) -> Tenant:
        """Return a tenant by its slug."""
        async with self.components.database.lobby() as lobby:
            tenant = await lobby.scalar(select(Tenant).where(col(Tenant.slug) == slug))
        assert tenant is not None
        return tenant

    async def join(self, user: User, slug: str, role: Role = Role.MEMBER) -> None:
        """Make a user a member of a tenant."""
        async with self.components.database.lobby() as lobby:
            await inserted(lobby, _membership(user, await _tenant_id(lobby, slug), role))

    async def leave(self, user: User, slug: str) -> None:
        """Take a user out of a tenant, as `DELETE /members/{user_id}` does first."""
        tenant = await self.find_tenant(slug)
        async with self.components.database.lobby() as lobby:
            memberships = MembershipRepository(lobby)
            await memberships.remove(await memberships.get_of(tenant.id, user.id))

    async def sign_in(
        self, user: User, slug: str | None = None, role: Role | None = None
    ) -> SignedIn:
        """Start a session, without any check."""
        async with self.components.database.lobby() as lobby:
            tenant_id = await _tenant_id(lobby, slug) if slug else None
            session = _session(user, tenant_id)
            await inserted(lobby, session)
        return self._signed_in(user, session, slug, role)

    async def member(self, slug: str = "acme", role: Role = Role.MEMBER) -> SignedIn:
        """Add a user, make it a member of a tenant and sign it in there."""
        user = _user()
        async with self.components.database.lobby() as lobby:
            tenant_id = await _tenant_id(lobby, slug)
            session = _session(user, tenant_id)
            await inserted(lobby, user, _membership(user, tenant_id, role), session)
        return self._signed_in(user, session, slug, role)

    async def signed_in(self, *, verified: bool = True, superuser: bool = False) -> SignedIn:
        """Add a user and sign it in to the lobby."""
        user = _user(verified=verified, superuser=superuser)
        session = _session(user, None)
        await self._add(user, session)
        return self._signed_in(user, session, None, None)

    async def _add(self, *rows: SQLModel) -> None:
        async with self.components.database.lobby() as lobby:
            await inserted(lobby, *rows)

    def _signed_in(
        self, user: User, session: RefreshToken, slug: str | None, role: Role | None
    ) -> SignedIn:
        token, _ = self.components.access_tokens.issue(
            user_id=user.id,
            session_id=session.family_id,
            tenant_id=session.tenant_id,
            tenant_slug=slug,
            role=role,
        )
        return SignedIn(self.client, user.id, user.email, session.family_id, token, slug)

    async def tokens(self, user: User, slug: str | None = None) -> dict[str, Any]:
        """Start a session as every way to sign in does, and return its tokens as clients get them."""
        async with self.components.database.lobby() as lobby:
            memberships = MembershipRepository(lobby)
            tenant = await memberships.tenant_by_slug(user.id, slug) if slug else None
            started = await self.identity().sessions(lobby).start(user.id, tenant)
        return started.model_dump(mode="json")

    def identity(self) -> Identity:
        """Return the services that change users and sessions, for nobody who has signed in."""
        components, actor = self.components, Actor(ip_address="127.0.0.1")
        return Identity(components.access_tokens, components.settings, actor, "Test/1")


def _user(email: str | None = None, *, verified: bool = True, superuser: bool = False) -> User:
    return User(
        email=email or f"user-{secrets.token_hex(6)}@example.test",
        full_name="Test User",
        email_verified_at=utcnow() if verified else None,
        is_superuser=superuser,
        **USER_COLUMNS,
    )


async def inserted(lobby: LobbySession, *rows: SQLModel) -> None:
    """Insert rows in one statement, past the ORM: most of what tests wait for is made here."""
    inserts, values = [], list[Any]()
    for row in rows:
        table: Any = inspect(type(row)).local_table
        columns = list(inspect(type(row)).columns)
        places = [f"${len(values) + n}" for n in range(1, len(columns) + 1)]
        names = ", ".join(column.name for column in columns)
        inserts.append(
            f"INSERT INTO {table.fullname} ({names}) VALUES ({', '.join(places)})"  # noqa: S608  names of this code base
        )
        values += [getattr(row, column.key) for column in columns]
    *first, last = inserts
    parts = ", ".join(f"part_{n} AS ({insert})" for n, insert in enumerate(first))
    await lobby.unit.fetch(lobby.side, f"WITH {parts} {last}" if parts else last, values)


async def _tenant_id(lobby: LobbySession, slug: str) -> UUID:
    # The newest: a deleted tenant's slug may be another's by now.
    sql = "SELECT id FROM public.tenants WHERE slug = $1 ORDER BY id DESC LIMIT 1"
    [record] = await lobby.unit.fetch(lobby.side, sql, [slug])
    tenant_id: UUID = record["id"]
    return tenant_id


def _membership(user: User, tenant_id: UUID, role: Role) -> UserTenantMembership:
    return UserTenantMembership(tenant_id=tenant_id, user_id=user.id, role=role)


def _session(user: User, tenant_id: UUID | None) -> RefreshToken:
    now = utcnow()
    return RefreshToken(
        family_id=uuid7(),
        user_id=user.id,
        tenant_id=tenant_id,
        token_hash=secrets.token_bytes(32),
        session_expires_at=now + timedelta(days=30),
        expires_at=now + timedelta(days=7),
    )
