"""The tenant is named by the header `X-Tenant-ID`, by slug or id."""

from typing import Any, ClassVar, Final

from starlette.types import Scope

from app.api.context.named_tenant import REFUSALS, named_tenant
from app.api.context.tenant_strategy import ClaimedTenant
from app.core.security.access_tokens import AccessClaims
from app.core.tenant_name_errors import TenantInvalid
from app.core.tenant_urls import TenantUrls

_HEADER: Final = b"x-tenant-id"
_HOW: Final = "Send the header X-Tenant-ID with the tenant's slug or id."
_PARAMETER: Final = {
    "name": "X-Tenant-ID",
    "in": "header",
    "required": True,
    "description": "The tenant, by slug or id.",
    "schema": {"type": "string"},
    "example": "acme",
}


class TenantStrategy:
    """`X-Tenant-ID: acme`"""

    refusals: ClassVar = REFUSALS

    def tenant_of(self, scope: Scope, claims: AccessClaims) -> ClaimedTenant:
        """Return the tenant that the header names and the token is for.

        Raises:
            TenantRequired, TenantInvalid, TenantMismatch: as `named_tenant`.
        """
        return named_tenant(self.name_of(scope), claims, how=_HOW)

    def name_of(self, scope: Scope) -> str | None:
        """Return what stands in the header, or `None` if it is not there.

        Raises:
            TenantInvalid: there are several.
        """
        values: list[bytes] = [value for name, value in scope["headers"] if name == _HEADER]
        if not values or values == [b""]:
            return None
        if len(values) > 1:
            raise TenantInvalid("There are several X-Tenant-ID headers.")
        return values[0].decode("latin-1")

    def describe(
        self, _document: dict[str, Any], operations: list[dict[str, Any]], _urls: TenantUrls
    ) -> None:
        """Add the header to the operations of tenants."""
        for operation in operations:
            operation.setdefault("parameters", []).append(_PARAMETER)

    def hint(self, slug: str, _urls: TenantUrls) -> str:
        """Return a sentence for people about how requests reach the tenant `slug`."""
        return f"Routes of a tenant want the header X-Tenant-ID: {slug}."
