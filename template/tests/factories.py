"""Data that a test brings along: users, memberships and clients that are signed in."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select
from sqlmodel import col

from app.api.dependencies.components import Components
from app.core.identifiers import utcnow, uuid7
from app.core.roles import Role
from app.models.public.refresh_tokens import RefreshToken
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.users import User

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user with a session, and how it calls the service."""

    client: httpx.AsyncClient
    user_id: UUID
    email: str
    session_id: UUID
    token: str
    tenant: str | None

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request with the token and, if the session has one, the tenant."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        if self.tenant is not None:
            headers.setdefault("X-Tenant-ID", self.tenant)
        return await self.client.request(method, f"/api/v1{path}", headers=headers, **options)

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
        self._password_hash: str | None = None

    async def user(
        self, email: str | None = None, *, verified: bool = True, superuser: bool = False
    ) -> User:
        """Add a user with the password `PASSWORD`."""
        if self._password_hash is None:
            self._password_hash = await self.components.passwords.hash(PASSWORD)
        user = User(
            email=email or f"user-{secrets.token_hex(6)}@example.test",
            full_name="Test User",
            password_hash=self._password_hash,
            email_verified_at=utcnow() if verified else None,
            is_superuser=superuser,
        )
        async with self.components.database.lobby() as lobby:
            await lobby.add(user)
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
        tenant = await self.find_tenant(slug)
        async with self.components.database.lobby() as lobby:
            await lobby.add(UserTenantMembership(tenant_id=tenant.id, user_id=user.id, role=role))

    async def sign_in(
        self, user: User, slug: str | None = None, role: Role | None = None
    ) -> SignedIn:
        """Start a session as login does, without its password check."""
        tenant = await self.find_tenant(slug) if slug else None
        now = utcnow()
        session = RefreshToken(
            family_id=uuid7(),
            user_id=user.id,
            tenant_id=tenant.id if tenant else None,
            token_hash=secrets.token_bytes(32),
            session_expires_at=now + timedelta(days=30),
            expires_at=now + timedelta(days=7),
        )
        async with self.components.database.lobby() as lobby:
            await lobby.add(session)
        token, _ = self.components.access_tokens.issue(
            user_id=user.id,
            session_id=session.family_id,
            tenant_id=tenant.id if tenant else None,
            tenant_slug=slug,
            role=role,
        )
        return SignedIn(self.client, user.id, user.email, session.family_id, token, slug)

    async def member(self, slug: str = "acme", role: Role = Role.MEMBER) -> SignedIn:
        """Add a user, make it a member of a tenant and sign it in there."""
        user = await self.user()
        await self.join(user, slug, role)
        return await self.sign_in(user, slug, role)

    async def signed_in(self, *, verified: bool = True, superuser: bool = False) -> SignedIn:
        """Add a user and sign it in to the lobby."""
        return await self.sign_in(await self.user(verified=verified, superuser=superuser))
