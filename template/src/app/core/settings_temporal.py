"""Settings of background work: Temporal, and the worker that talks to it."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from app.core import about
from app.core.sections import HostAndPort, Section
from app.core.settings_worker import WorkerSettings


class TemporalSettings(Section):
    """Temporal, which only the worker talks to."""

    address: HostAndPort = "127.0.0.1:7233"
    namespace: Annotated[str, Field(min_length=1)] = "default"
    task_queue: Annotated[str, Field(min_length=1)] = about.SLUG
    poll_interval: timedelta = timedelta(milliseconds=500)
    """How often the worker looks for requested workflow executions."""


class EngineSettings(BaseModel):
    """What background work adds to the settings."""

    temporal: TemporalSettings = TemporalSettings()
    worker: WorkerSettings = WorkerSettings()
