"""What each process of `app api` serves."""

import gc

from fastapi import FastAPI

from app.cli.http_protocol import bounded_protocol
from app.core.settings import load_settings
from app.main import create_app


def create_worker() -> FastAPI:
    """Build the application for a process that does nothing else."""
    settings = load_settings()
    bounded_protocol(settings.http)
    app = create_app(settings)
    _spare_the_collector()
    return app


def _spare_the_collector() -> None:
    # What has been imported and built stays until the end. A request's objects are freed by their
    # reference counts; looking for cycles among them at Python's default pace took 8 % of a request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
