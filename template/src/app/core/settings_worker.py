"""Settings of the worker process."""

from datetime import timedelta

from pydantic import Field

from app.core.sections import Section


class WorkerSettings(Section):
    """The worker process."""

    health_host: str = "127.0.0.1"
    health_port: int = Field(default=8001, ge=0, le=65535)
    """Where `/health/live` and `/health/ready` answer; 0 takes a free port."""
    drain_timeout: timedelta = timedelta(seconds=25)
    """How long running work may take to finish after SIGTERM; what is cut off is repeated by another worker."""
