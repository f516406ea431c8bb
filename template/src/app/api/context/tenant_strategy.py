"""How a request names its tenant: what each answer to `tenant_strategy` provides."""

from typing import Protocol

from starlette.types import Scope


class TenantStrategy(Protocol):
    """Parses the tenant's name out of a request. It looks nothing up and decides nothing."""

    def name_of(self, scope: Scope) -> str | None:
        """Return the tenant's slug or id, or `None` if the request names none.

        Raises:
            TenantInvalid: the name is neither a slug nor an id, or there are several.
        """
        ...
