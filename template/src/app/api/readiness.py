"""Whether the process can answer requests."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from app.api.dependencies.components import ComponentsDep

router = APIRouter(tags=["health"])


class Readiness(BaseModel):
    status: Literal["ok", "unavailable"]
    database: Literal["ok", "unavailable"]


@router.get("/health/ready", responses={503: {"model": Readiness, "description": "Not ready"}})
async def ready(components: ComponentsDep, response: Response) -> Readiness:
    """Tell whether a request can be answered, which takes the database and nothing else."""
    if not await components.readiness.answers():
        response.status_code = 503
        return Readiness(status="unavailable", database="unavailable")
    return Readiness(status="ok", database="ok")
