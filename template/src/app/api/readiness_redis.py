"""Whether the process can answer requests, and whether it shares its rate limits with the others."""

from typing import Literal

from fastapi import Request, Response
from pydantic import BaseModel

from app.api.context.rate_limiter import limiter_of
from app.api.dependencies.components import ComponentsDep
from app.api.routing import PageRouter
from app.core.rate_limit.backend_redis import SharedRateLimiter

router = PageRouter(tags=["health"])


class Readiness(BaseModel):
    """`degraded` answers requests all the same: rate limits are counted in each process alone, or some wait in vain."""

    status: Literal["ok", "degraded", "unavailable"]
    database: Literal["ok", "unavailable"]
    pool: Literal["ok", "exhausted"]
    rate_limits: Literal["ok", "degraded"]


@router.get("/health/ready", responses={503: {"model": Readiness, "description": "Not ready"}})
async def ready(request: Request, components: ComponentsDep, response: Response) -> Readiness:
    """Tell whether a request can be answered, which takes the database and nothing else."""
    limiter = limiter_of(request.scope)
    alone = isinstance(limiter, SharedRateLimiter) and limiter.degraded
    limits: Literal["ok", "degraded"] = "degraded" if alone else "ok"
    is_exhausted = components.database.exhausted_seconds > 0
    pool: Literal["ok", "exhausted"] = "exhausted" if is_exhausted else "ok"
    if not await components.readiness.answers():
        response.status_code = 503
        return Readiness(
            status="unavailable", database="unavailable", pool=pool, rate_limits=limits
        )
    status: Literal["ok", "degraded"] = "degraded" if alone or is_exhausted else "ok"
    return Readiness(status=status, database="ok", pool=pool, rate_limits=limits)
