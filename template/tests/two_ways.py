"""Users who may sign in with a password or through the identity provider."""

from typing import Any, Final

import httpx

from app.models.public.tenants import Tenant
from app.models.public.users import User
from tests.browser import Browser
from tests.sending import send
from tests.sign_in.password import PASSWORD

LOGIN: Final = "/api/v1/auth/login"
REFRESH: Final = "/api/v1/auth/refresh"


class Member:
    """A user with both ways to sign in, a member of a tenant."""

    def __init__(self, user: User, tenant: Tenant, browser: Browser) -> None:
        self.user = user
        self.tenant = tenant
        self.browser = browser
        self.client = browser.service

    async def by_password(self, *, lobby: bool = False) -> httpx.Response:
        body = {"email": self.user.email, "password": PASSWORD}
        return await self.client.post(
            LOGIN, json=body if lobby else body | {"tenant": self.tenant.slug}
        )

    async def by_provider(self, *, lobby: bool = False) -> httpx.Response:
        query: dict[str, Any] = {} if lobby else {"tenant": self.tenant.slug}
        return await self.browser.sign_in(self.user.email, **query)

    async def call(
        self, tokens: httpx.Response, method: str, path: str, **options: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
        slug = self.tenant.slug
        return await send(self.client, method, path, tenant=slug, headers=headers, **options)

    async def require(self, tokens: httpx.Response, required: bool = True) -> httpx.Response:
        body = {"requires_provider": required}
        return await self.call(tokens, "PUT", "/tenant/sign-in", json=body)
