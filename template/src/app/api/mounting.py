"""Where the routes of `api/v1` are served."""

from typing import Final

from fastapi import FastAPI

from app.api.v1 import routers

API_PREFIX: Final = "/api/v1"


def mount(app: FastAPI) -> None:
    """Serve every route below `/api/v1`."""
    for router in routers():
        app.include_router(router, prefix=API_PREFIX)
