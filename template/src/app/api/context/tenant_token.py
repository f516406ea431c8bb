"""The access token says the tenant; nothing else in the request does."""

from typing import Any, ClassVar

from starlette.types import Scope

from app.api.context.tenant_strategy import ClaimedTenant
from app.core.errors import AppError, TenantRequired
from app.core.security.access_tokens import AccessClaims
from app.core.tenant_urls import TenantUrls


class TenantStrategy:
    """`Authorization: Bearer` with a token that was issued for one tenant."""

    refusals: ClassVar[tuple[type[AppError], ...]] = (TenantRequired,)

    def tenant_of(self, _scope: Scope, claims: AccessClaims) -> ClaimedTenant:
        """Return the tenant that the token is for.

        Raises:
            TenantRequired: it is one of the lobby.
        """
        tenant = ClaimedTenant.of(claims)
        if tenant is None:
            raise TenantRequired(
                "The token is the lobby's. POST /api/v1/auth/switch-tenant gives one for a tenant."
            )
        return tenant

    def describe(
        self, document: dict[str, Any], _operations: list[dict[str, Any]], _urls: TenantUrls
    ) -> None:
        """Say at the scheme of the token that it also names the tenant."""
        schemes = document["components"]["securitySchemes"]
        for name, scheme in schemes.items():
            also = f"{scheme['description']} On routes of a tenant it says which one."
            schemes[name] = scheme | {"description": also}

    def hint(self, slug: str, _urls: TenantUrls) -> str:
        """Return a sentence for people about how requests reach the tenant `slug`."""
        return f"The access token says the tenant: log in to {slug}, or switch to it."
