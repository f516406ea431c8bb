"""Whether the process can answer requests."""

from typing import Literal

from fastapi import Response
from pydantic import BaseModel

from app.api.dependencies.components import ComponentsDep
from app.api.routing import PageRouter

router = PageRouter(tags=["health"])


class Readiness(BaseModel):
    """`degraded` answers, if late: requests wait in vain for one of this process's connections."""

    status: Literal["ok", "degraded", "unavailable"]
    database: Literal["ok", "unavailable"]
    pool: Literal["ok", "exhausted"]


@router.get("/health/ready", responses={503: {"model": Readiness, "description": "Not ready"}})
async def ready(components: ComponentsDep, response: Response) -> Readiness:
    """Tell whether a request can be answered, which takes the database and nothing else."""
    is_exhausted = components.database.exhausted_seconds > 0
    pool: Literal["ok", "exhausted"] = "exhausted" if is_exhausted else "ok"
    if not await components.readiness.answers():
        response.status_code = 503
        return Readiness(status="unavailable", database="unavailable", pool=pool)
    return Readiness(status="degraded" if is_exhausted else "ok", database="ok", pool=pool)
