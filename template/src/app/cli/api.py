"""`app api`."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer
import uvicorn

from app.cli.http_protocol import PROTOCOL
from app.core.db.database import Database
from app.core.logging import configure_logging
from app.core.settings import Settings, load_settings

SERVER: Final[dict[str, Any]] = {
    "http": PROTOCOL,
    "ws": "none",
    # Logging is configured, and requests are logged, by the application.
    "log_config": None,
    "access_log": False,
    # Who may speak for a client, HTTP__TRUSTED_PROXIES decides.
    "proxy_headers": False,
    "server_header": False,
    # Longer than load balancers keep an idle connection (60 s is common), lest they use one that just closes.
    "timeout_keep_alive": 75,
}
"""How HTTP is spoken, for `uvicorn.Config`."""

# prometheus_client reads it while it is imported.
_METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"

commands: Final = typer.Typer(add_completion=False)


@commands.command()
def api(
    host: Annotated[str, typer.Option(envvar="HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="PORT", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 8000,
    workers: Annotated[
        int,
        typer.Option(
            envvar="WEB_CONCURRENCY", min=1, help="Processes that share the port, one for a core."
        ),
    ] = 1,
) -> None:
    """Serve requests, until SIGTERM or Ctrl-C; with several workers, SIGHUP replaces one after the other."""
    settings = load_settings()
    asyncio.run(_check_server(settings, workers))
    if workers > 1:
        # For the process that watches over them; each configures its own.
        configure_logging(settings.logging)
    with _metrics_folder(workers):
        _serve(settings, host=host, port=port, workers=workers)


def _serve(settings: Settings, *, host: str, port: int, workers: int) -> None:
    uvicorn.run(
        "app.cli.api_worker:create_worker",
        factory=True,
        workers=workers,
        host=host,
        port=port,
        loop="auto",
        lifespan="on",
        timeout_graceful_shutdown=int(settings.http.drain_timeout.total_seconds()),
        # A busy machine starts a worker slowly, which is no reason to give up a replacement.
        timeout_worker_healthcheck=30,
        **SERVER,
    )


async def _check_server(settings: Settings, workers: int) -> None:
    async with Database(settings.database) as database:
        await database.check_server()
        await database.check_room_for(workers)


@contextmanager
def _metrics_folder(workers: int) -> Iterator[None]:
    # One worker answers a scrape for all: they share their numbers through files.
    if workers == 1 or _METRICS_FOLDER in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="metrics-") as folder:
        os.environ[_METRICS_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[_METRICS_FOLDER]
