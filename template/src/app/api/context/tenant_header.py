"""The tenant is named by the header `X-Tenant-ID`, by slug or id."""

import re
from typing import Any, Final

from starlette.types import Scope

from app.core.errors import TenantInvalid
from app.core.slugs import is_slug

PARAMETER: Final[dict[str, Any]] = {
    "name": "X-Tenant-ID",
    "in": "header",
    "required": True,
    "description": "The tenant, by slug or id.",
    "schema": {"type": "string"},
    "example": "acme",
}
"""Of each route of a tenant, in the OpenAPI document."""

_HEADER: Final = b"x-tenant-id"
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class TenantStrategy:
    """`X-Tenant-ID: acme`"""

    def name_of(self, scope: Scope) -> str | None:
        """Return the tenant's slug or id, or `None` if the request names none.

        Raises:
            TenantInvalid: the name is neither a slug nor an id, or there are several.
        """
        values: list[bytes] = [value for name, value in scope["headers"] if name == _HEADER]
        if not values or values == [b""]:
            return None
        if len(values) > 1:
            raise TenantInvalid("There are several X-Tenant-ID headers.")
        name = values[0].decode("latin-1")
        if not _ID.fullmatch(name) and not is_slug(name):
            raise TenantInvalid
        return name
