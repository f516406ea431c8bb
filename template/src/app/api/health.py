"""Whether the process lives, and whether it can answer requests."""

import asyncio
from typing import Final, Literal

import structlog
from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import text

from app.api.dependencies.components import Components, ComponentsDep

_TIMEOUT_SECONDS: Final = 2.0

router = APIRouter(tags=["health"])
log = structlog.get_logger(__name__)


class Liveness(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """`degraded` answers requests all the same: rate limits are counted in each process alone."""

    status: Literal["ok", "degraded", "unavailable"]
    database: Literal["ok", "unavailable"]
    rate_limits: Literal["ok", "degraded"]


@router.get("/health/live")
async def live() -> Liveness:
    """Tell that the process answers."""
    return Liveness()


@router.get("/health/ready", responses={503: {"model": Readiness, "description": "Not ready"}})
async def ready(components: ComponentsDep, response: Response) -> Readiness:
    """Tell whether a request can be answered, which takes the database and nothing else."""
    if not await _answers(components):
        response.status_code = 503
        return Readiness(status="unavailable", database="unavailable", rate_limits="ok")
    degraded = components.limiter.degraded
    return Readiness(
        status="degraded" if degraded else "ok",
        database="ok",
        rate_limits="degraded" if degraded else "ok",
    )


async def _answers(components: Components) -> bool:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS), components.database.lobby() as lobby:
            # A lobby that was never migrated has no such table.
            await lobby.execute(text("SELECT id FROM public.installation"))
    except Exception as exc:
        log.warning("not ready", error=type(exc).__name__)
        return False
    return True
