"""Whether the process lives, and what it takes to answer requests."""

import asyncio
from typing import Final, Literal

import structlog
from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text

from app.api.dependencies.components import Components

_TIMEOUT_SECONDS: Final = 2.0

router = APIRouter(tags=["health"])
log = structlog.get_logger(__name__)


class Liveness(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("/health/live")
async def live() -> Liveness:
    """Tell that the process answers."""
    return Liveness()


async def database_answers(components: Components) -> bool:
    """Tell whether PostgreSQL answers in time and is migrated."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS), components.database.lobby() as lobby:
            # A lobby that was never migrated has no such table.
            await lobby.execute(text("SELECT id FROM public.installation"))
    except Exception as exc:
        log.warning("not ready", error=type(exc).__name__)
        return False
    return True
