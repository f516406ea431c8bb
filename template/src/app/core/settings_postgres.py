"""Settings of background work: the queue in PostgreSQL, and the worker that reads it."""

from datetime import timedelta

from pydantic import BaseModel, Field

from app.core.sections import Section
from app.core.settings_worker import WorkerSettings


class QueueSettings(Section):
    """The queue of background work."""

    concurrency: int = Field(default=20, ge=2)
    """Executions at the same time in one worker."""
    poll_interval: timedelta = timedelta(seconds=5)
    """How often the worker looks for work that PostgreSQL did not announce."""
    heartbeat_timeout: timedelta = timedelta(seconds=15)
    """How long nothing has to be heard of a worker until others take over what it was doing."""


class EngineSettings(BaseModel):
    """What background work adds to the settings."""

    queue: QueueSettings = QueueSettings()
    worker: WorkerSettings = WorkerSettings()
