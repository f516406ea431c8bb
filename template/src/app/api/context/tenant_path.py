"""The tenant is named in the path, `/t/acme/api/v1/…`, by slug or id."""

from typing import Any, ClassVar, Final

from starlette.types import Scope

from app.api.context.named_tenant import REFUSALS, named_tenant
from app.api.context.tenant_strategy import ClaimedTenant
from app.core.security.access_tokens import AccessClaims
from app.core.tenant_urls import TenantUrls

TENANT_PREFIX: Final = "/t/{tenant}"

_HOW: Final = f"Begin the path with {TENANT_PREFIX}, where {{tenant}} is the tenant's slug or id."
_PARAMETER: Final = {
    "name": "tenant",
    "in": "path",
    "required": True,
    "description": "The tenant, by slug or id.",
    "schema": {"type": "string"},
    "example": "acme",
}


class TenantStrategy:
    """`/t/acme/api/v1/projects`"""

    refusals: ClassVar = REFUSALS

    def tenant_of(self, scope: Scope, claims: AccessClaims) -> ClaimedTenant:
        """Return the tenant that the path names and the token is for.

        Raises:
            TenantRequired, TenantInvalid, TenantMismatch: as `named_tenant`.
        """
        return named_tenant(self.name_of(scope), claims, how=_HOW)

    def name_of(self, scope: Scope) -> str | None:
        """Return the path's second segment, or `None` if the path begins with `/api`."""
        name: str | None = scope["path_params"].get("tenant")
        return name

    def describe(
        self, _document: dict[str, Any], operations: list[dict[str, Any]], _urls: TenantUrls
    ) -> None:
        """Add the segment to the operations of tenants."""
        for operation in operations:
            operation.setdefault("parameters", []).insert(0, _PARAMETER)

    def hint(self, slug: str, urls: TenantUrls) -> str:
        """Return a sentence for people about how requests reach the tenant `slug`."""
        start = f"{urls.of(slug)}{TENANT_PREFIX.format(tenant=slug)}"
        return f"Routes of a tenant begin with its path: {start}/api/v1."
