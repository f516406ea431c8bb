"""Whether the process lives; `readiness` tells whether it can answer requests."""

from typing import Final, Literal

from fastapi import Response
from pydantic import BaseModel

from app.api.dependencies.components import ComponentsDep
from app.api.routing import PageRouter

router = PageRouter(tags=["health"])

_STUCK_AFTER_SECONDS: Final = 60.0
"""Beyond what a statement may take: no connection of the pool will come back any more."""


class Liveness(BaseModel):
    """`stuck` does not go away by itself: start the process anew."""

    status: Literal["ok", "stuck"] = "ok"


@router.get("/health/live", responses={503: {"model": Liveness, "description": "Stuck"}})
async def live(components: ComponentsDep, response: Response) -> Liveness:
    """Tell that the process answers, whether or not the database does."""
    limit = components.settings.database.statement_timeout.total_seconds() + _STUCK_AFTER_SECONDS
    if components.database.exhausted_seconds > limit:
        response.status_code = 503
        return Liveness(status="stuck")
    return Liveness()
