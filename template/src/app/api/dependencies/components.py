"""What the application was built from; `main.create_app` puts it into `app.state`."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.api.context.tenant_strategy import TenantStrategy
from app.core.db.database import Database
from app.core.metrics import Metrics
from app.core.security.access_tokens import AccessTokens
from app.core.security.opaque_tokens import DerivedTokens
from app.core.security.passwords import Passwords
from app.core.settings import Settings
from app.core.tenant_urls import TenantUrls


@dataclass(frozen=True, slots=True)
class Components:
    """One of each for the whole process."""

    settings: Settings
    database: Database
    access_tokens: AccessTokens
    passwords: Passwords
    derived_tokens: DerivedTokens
    metrics: Metrics
    tenant_strategy: TenantStrategy
    tenant_urls: TenantUrls


async def get_components(request: Request) -> Components:
    """Return the components of the application that answers `request`."""
    components: Components = request.app.state.components
    return components


ComponentsDep = Annotated[Components, Depends(get_components)]
