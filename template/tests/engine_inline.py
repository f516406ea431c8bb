"""The API process as the tested engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import func, update

from app.core.settings import Settings
from app.inline.engine import Engine
from app.models.public.workflow_claims import WorkflowClaim
from app.services.background_work import BackgroundWork
from app.services.workflow_attempts import RETRIES, Retries, WorkflowAttempts
from tests.engines import TestedEngine
from tests.patience import PATIENCE

_SHORTLY: Final = Retries(timedelta(seconds=0.05), timedelta(seconds=0.5), attempts=40)


def _settings() -> dict[str, Any]:
    return {"background": {"concurrency": 0}}


def _alone(settings: Settings) -> Settings:
    changes = {
        "concurrency": 4,
        # Who is late is not dead.
        "lease": PATIENCE,
        "poll_interval": timedelta(seconds=0.2),
    }
    background = settings.background.model_copy(update=changes)
    return settings.model_copy(update={"background": background})


@asynccontextmanager
async def _running(work: BackgroundWork, settings: Settings) -> AsyncIterator[None]:
    attempts = WorkflowAttempts(work, dict.fromkeys(RETRIES, _SHORTLY))
    async with Engine(work, settings.background, attempts).running():
        yield


async def _make_due(work: BackgroundWork) -> None:
    async with work.database.lobby() as lobby:
        await lobby.execute(update(WorkflowClaim).values(due_at=func.now()))


ENGINE: Final = TestedEngine(("api", "--port", "0"), _settings, _alone, _running, _make_due)
