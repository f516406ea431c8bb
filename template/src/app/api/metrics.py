"""What Prometheus scrapes."""

from fastapi import Response

from app.api.dependencies.components import ComponentsDep
from app.api.routing import PageRouter
from app.core.metrics import CONTENT_TYPE

router = PageRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(components: ComponentsDep) -> Response:
    """Return the process's metrics; keep this path inside your network (docs/deployment.md)."""
    return Response(components.metrics.render(), media_type=CONTENT_TYPE)
