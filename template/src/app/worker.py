"""The worker process: it carries out the background work that requests ask for."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Final, NoReturn

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.core.db.database import Database, UnsupportedServer
from app.core.logging import configure_logging
from app.core.settings import Settings, SettingsError, WorkerSettings
from app.services.background_failures import describe
from app.services.background_work import BackgroundWork
from app.temporal.engine import Engine

log = structlog.get_logger(__name__)

_LOOK_AGAIN_SECONDS: Final = 2.0
_FAREWELL: Final = timedelta(seconds=5)
"""What the engine may take beyond the drain to tell Temporal that it goes."""


def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then end the process.

    Raises:
        ValueError: `DATABASE__OWNER_URL` is not set.
        SettingsError: the health endpoint's address is taken.
        UnsupportedServer: PostgreSQL is older than version 16.
    """
    configure_logging(settings.logging)
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    work = BackgroundWork.build(settings)
    engine = Engine(work, settings.temporal)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _health_endpoint(engine, settings.worker):
        await _check_server(work.database, stop)
        running = asyncio.create_task(engine.run(stop, grace=settings.worker.drain_timeout))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        log.info("worker_stopping")
        limit = settings.worker.drain_timeout + _FAREWELL
        await asyncio.wait([running], timeout=limit.total_seconds())
    if running.done():
        running.result()
    else:
        log.warning("worker_cut_off")
    await work.close()
    _leave()


def _leave() -> NoReturn:
    log.info("worker_stopped")
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # Temporal's threads can abort an interpreter that ends in the ordinary way, and what was cut off may not end.
    os._exit(0)


async def _check_server(database: Database, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await database.check_server()
        except UnsupportedServer:
            raise
        except Exception as exc:
            log.warning("database_unreachable", error=describe(exc))
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        else:
            return


@asynccontextmanager
async def _health_endpoint(engine: Engine, settings: WorkerSettings) -> AsyncIterator[None]:
    listener = _listen(settings.health_host, settings.health_port)
    config = uvicorn.Config(
        _health_app(engine),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as exc:
        raise SettingsError(
            f"WORKER__HEALTH_PORT: cannot listen on {host}:{port} ({os.strerror(exc.errno or 0)})."
        ) from None


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        # Signals are the worker's: it goes on answering while it drains.
        yield


def _health_app(engine: Engine) -> Starlette:
    async def live(_request: Request) -> JSONResponse:
        return _answer(engine.is_alive())

    async def ready(_request: Request) -> JSONResponse:
        return _answer(engine.is_ready())

    return Starlette(routes=[Route("/health/live", live), Route("/health/ready", ready)])


def _answer(fine: bool) -> JSONResponse:
    return JSONResponse({"status": "ok" if fine else "unavailable"}, 200 if fine else 503)
