"""A tenant that the request names beside its token, by slug or id."""

import re
from typing import Final

from pydantic import TypeAdapter, ValidationError

from app.api.context.tenant_strategy import ClaimedTenant
from app.core.errors import AppError, TenantRequired
from app.core.security.access_tokens import AccessClaims
from app.core.slugs import Slug
from app.core.tenant_name_errors import TenantInvalid, TenantMismatch

REFUSALS: Final[tuple[type[AppError], ...]] = (TenantRequired, TenantInvalid, TenantMismatch)

_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SLUG: Final = TypeAdapter[str](Slug)


def named_tenant(name: str | None, claims: AccessClaims, *, how: str) -> ClaimedTenant:
    """Return the tenant of the token, which `name` has to name; `how` tells a client where the name belongs.

    Raises:
        TenantRequired: there is no name.
        TenantInvalid: the name is neither a slug nor an id.
        TenantMismatch: the token is of another tenant, or of the lobby.
    """
    if name is None:
        raise TenantRequired(how)
    tenant = ClaimedTenant.of(claims)
    if tenant is not None and (name == tenant.slug or name == str(tenant.id)):
        return tenant
    if not _is_slug(name) and not _ID.fullmatch(name):
        raise TenantInvalid
    whose = "the lobby's" if tenant is None else f"for {tenant.slug}"
    raise TenantMismatch(
        f"The token is {whose}. POST /api/v1/auth/switch-tenant with the slug as `tenant` gives one for this tenant."
    )


def _is_slug(name: str) -> bool:
    try:
        _SLUG.validate_python(name)
    except ValidationError:
        return False
    return True
