"""`app api`."""

import asyncio
import gc
from typing import Annotated, Final

import typer
import uvicorn

from app.cli.http_protocol import bounded_protocol
from app.core.db.database import Database
from app.core.settings import Settings, load_settings
from app.main import create_app

commands: Final = typer.Typer()


@commands.command()
def api(
    host: Annotated[str, typer.Option(envvar="HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="PORT", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 8000,
) -> None:
    """Serve requests, until SIGTERM or Ctrl-C."""
    settings = load_settings()
    asyncio.run(_check_server(settings))
    app = create_app(settings)
    _spare_the_collector()
    uvicorn.run(
        app,
        host=host,
        port=port,
        loop="auto",
        http=bounded_protocol(settings.http),
        ws="none",
        lifespan="on",
        # Logging is configured, and requests are logged, by the application.
        log_config=None,
        access_log=False,
        # Who may speak for a client, HTTP__TRUSTED_PROXIES decides.
        proxy_headers=False,
        server_header=False,
        # Longer than load balancers keep an idle connection (60 s is common), lest they use one that just closes.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(settings.http.drain_timeout.total_seconds()),
    )


def _spare_the_collector() -> None:
    # What has been imported and built stays until the end. A request's objects are freed by their
    # reference counts; looking for cycles among them at Python's default pace took 8 % of a request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


async def _check_server(settings: Settings) -> None:
    async with Database(settings.database) as database:
        await database.check_server()
