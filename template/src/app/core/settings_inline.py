"""Settings of background work, which runs in the API processes."""

from datetime import timedelta

from pydantic import BaseModel, Field

from app.core.sections import Section


class BackgroundSettings(Section):
    """What an API process does beside answering requests."""

    concurrency: int = Field(default=4, ge=0)
    """Executions at the same time in one process; with 0 it leaves all of them to others."""
    poll_interval: timedelta = timedelta(seconds=5)
    """How often it looks for work that PostgreSQL did not announce, such as what a killed process left."""
    lease: timedelta = timedelta(seconds=15)
    """How long nothing has to be heard of a process until others take over what it was doing."""
    drain_timeout: timedelta = timedelta(seconds=20)
    """How long running work may take to finish, once requests have; what is cut off is repeated."""

    @property
    def connections(self) -> int:
        """How many connections to PostgreSQL it takes beside those of requests (docs/inline.md)."""
        return 2 * self.pool_size + 2 if self.concurrency else 0

    @property
    def pool_size(self) -> int:
        """Connections of each of the two roles: one for each execution, and one that looks for work."""
        return self.concurrency + 1


class EngineSettings(BaseModel):
    """What background work adds to the settings."""

    background: BackgroundSettings = BackgroundSettings()
