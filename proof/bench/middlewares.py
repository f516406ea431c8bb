"""The service's middlewares around an application that does nothing, and that application alone: the difference is theirs."""

import sys

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.middlewares.request_tracking import RunningRequests
from app.api.middlewares.stack import stack
from app.core.logging import configure_logging
from app.core.metrics import Metrics
from app.core.settings import load_settings

BODY = b'{"status":"ok"}'


async def nothing(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer every request alike."""
    if scope["type"] == "http":
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": BODY})


def wrapped() -> ASGIApp:
    """Return it behind the service's middlewares."""
    settings = load_settings()
    configure_logging(settings.logging)
    app: ASGIApp = nothing
    for middleware in reversed(stack(settings, metrics=Metrics(), running=RunningRequests())):
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)
    return app


if __name__ == "__main__":
    uvicorn.run(
        wrapped() if sys.argv[1] == "with" else nothing,
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
