"""Whether the process lives; `readiness` tells whether it can answer requests."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

router = APIRouter(tags=["health"])


class Liveness(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("/health/live")
async def live() -> Liveness:
    """Tell that the process answers."""
    return Liveness()
