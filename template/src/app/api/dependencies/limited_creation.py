"""New tenants: each is counted for the user who creates it, before the route sees it."""

from typing import Annotated

from fastapi import Depends

from app.api.dependencies.attempts import AttemptsDep
from app.api.dependencies.tenants import Founder
from app.schemas import tenants


async def _creation(
    body: tenants.TenantCreate, user: Founder, attempts: AttemptsDep
) -> tenants.TenantCreate:
    await attempts.limiter.enforce("creation_user", str(user.id))
    return body


TenantCreate = Annotated[tenants.TenantCreate, Depends(_creation)]
