"""How a request says which tenant it is for: what each answer to `tenant_strategy` provides."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self
from uuid import UUID

from starlette.types import Scope

from app.core.errors import AppError
from app.core.roles import Role
from app.core.security.access_tokens import AccessClaims
from app.core.tenant_urls import TenantUrls


@dataclass(frozen=True, slots=True)
class ClaimedTenant:
    """The tenant of an access token; whether the caller may enter it, the database says."""

    id: UUID
    slug: str
    role: Role

    @classmethod
    def of(cls, claims: AccessClaims) -> Self | None:
        """Return the tenant that the token is for; `None` for one of the lobby."""
        if claims.tenant_id is None or claims.tenant_slug is None or claims.role is None:
            return None
        return cls(claims.tenant_id, claims.tenant_slug, claims.role)


class TenantStrategy(Protocol):
    """Reads the request and the token. It looks nothing up."""

    refusals: ClassVar[tuple[type[AppError], ...]]
    """What `tenant_of` may raise."""

    def tenant_of(self, scope: Scope, claims: AccessClaims) -> ClaimedTenant:
        """Return the tenant of the token, if it is the one that the request is for."""
        ...

    def describe(
        self, document: dict[str, Any], operations: list[dict[str, Any]], urls: TenantUrls
    ) -> None:
        """Write into the OpenAPI document how a request to `operations`, those of tenants, names one."""
        ...

    def hint(self, slug: str, urls: TenantUrls) -> str:
        """Return a sentence for people about how requests reach the tenant `slug`."""
        ...
