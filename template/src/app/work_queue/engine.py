"""A queue in PostgreSQL as the engine of background work (ADR 0018)."""

import asyncio
import logging
import time
from datetime import timedelta
from typing import Any, Final

import structlog
from pgqueuer import QueueManager, SchedulerManager
from pgqueuer.domain.types import Channel
from pgqueuer.errors import FailingListenerError
from pgqueuer.models import Schedule

from app.core.settings import Settings
from app.models.public.workflow_executions import WorkflowKind
from app.services.background_failures import describe
from app.services.background_work import BackgroundWork
from app.services.clean_up_requests import request_clean_up
from app.services.workflow_attempts import Retries, WorkflowAttempts
from app.work_queue.jobs import Jobs
from app.work_queue.queries import NAMES, ObservedDriver, connected, queries
from app.work_queue.sweeper import Sweeper

log = structlog.get_logger(__name__)

EVERY_HOUR: Final = "0 * * * *"
EVERY_MINUTE: Final = "* * * * *"

_PAUSES: Final = Retries(timedelta(seconds=0.2), timedelta(seconds=5), attempts=0)
_READY_SECONDS: Final = 10.0
_ALIVE_SECONDS: Final = 120.0


class QueueMissing(Exception):
    """What an operator reads who started the worker first."""

    def __init__(self) -> None:
        super().__init__("The database lacks migrations: run `app migrate` first.")


class Engine:
    """Runs until it is told to stop; an outage of PostgreSQL is waited for."""

    def __init__(
        self, work: BackgroundWork, settings: Settings, attempts: WorkflowAttempts | None = None
    ) -> None:
        self.work = work
        self.settings = settings.queue
        self.retention = settings.tenants.workflow_retention
        self.attempts = attempts or WorkflowAttempts(work)
        self._tried_at: float | None = None
        self._driver: ObservedDriver | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._failures = 0
        # It repeats what is logged here, and each retry.
        library = logging.getLogger("pgqueuer")
        library.setLevel(logging.ERROR)
        library.addFilter(_is_news)

    def is_alive(self) -> bool:
        """Tell whether work is still looked for, in an outage too; if not, a restart may help."""
        if self._tried_at is None:
            # The worker waits for PostgreSQL before it begins.
            return True
        return self._seconds_since(self._tried_at) < _ALIVE_SECONDS or self.is_ready()

    def is_ready(self) -> bool:
        """Tell whether work is found and done: PostgreSQL answered a moment ago."""
        if self._driver is None:
            return False
        pause = self.settings.poll_interval.total_seconds()
        return self._seconds_since(self._driver.answered_at) < pause + _READY_SECONDS

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish what was begun, however long it takes."""
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set():
            self._tried_at = time.monotonic()
            try:
                async with connected(self.work.owner) as driver:
                    await self._serve(driver, stopping)
            except Exception as exc:
                self._failures += 1
                if self._failures == 1:
                    # An outage is reported once.
                    log.warning("worker_interrupted", error=describe(exc))
                pause = _PAUSES.pause_after(self._failures)
                await asyncio.wait([stopping], timeout=pause.total_seconds())
            finally:
                self._driver = None
        if self._serving:
            await asyncio.wait(self._serving)

    async def _serve(self, driver: ObservedDriver, stopping: asyncio.Task[Any]) -> None:
        if not await queries(driver).has_table(NAMES.queue_table):
            raise QueueMissing
        queue, clock = self._queue(driver), self._clock(driver)
        clock.shutdown = queue.shutdown
        tasks = self._begin(queue, clock)
        self._driver, began = driver, time.monotonic()
        log.info("worker_started")
        ends: list[asyncio.Future[Any]] = [*tasks, driver.failure, stopping]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if self._seconds_since(began) > _PAUSES.longest.total_seconds():
            # To connect is not enough: a standby lets sessions in, and takes no job.
            self._failures = 0
        # Never cancelled: the queue would take what runs for abandoned on purpose, and forget it.
        queue.shutdown.set()
        if stopping.done():
            await asyncio.wait(tasks)
            return
        # What still runs can do without its session, and the next session without its end.
        if driver.failure.done():
            raise driver.failure.result()
        for task in tasks:
            if task.done():
                task.result()
        raise FailingListenerError

    def _begin(self, queue: QueueManager, clock: SchedulerManager) -> list[asyncio.Task[None]]:
        batch = self.settings.concurrency // 2
        tasks = [
            asyncio.create_task(
                queue.run(
                    dequeue_timeout=self.settings.poll_interval,
                    batch_size=min(batch, 10),
                    max_concurrent_tasks=self.settings.concurrency,
                    shutdown_on_listener_failure=True,
                    heartbeat_timeout=self.settings.heartbeat_timeout,
                    log_aggregation_interval=self.settings.heartbeat_timeout * 0,
                )
            ),
            asyncio.create_task(clock.run()),
        ]
        for task in tasks:
            self._serving.add(task)
            task.add_done_callback(self._served)
        return tasks

    def _served(self, task: asyncio.Task[None]) -> None:
        self._serving.discard(task)
        if not task.cancelled():
            # Otherwise asyncio would report it, when the session's end has long been reported.
            task.exception()

    def _queue(self, driver: ObservedDriver) -> QueueManager:
        found = queries(driver)
        queue = QueueManager(found, Channel(NAMES.channel))
        jobs = Jobs(self.attempts, found)
        for kind in WorkflowKind:
            queue.entrypoint(kind.value, accepts_context=False)(jobs.run)
        return queue

    def _clock(self, driver: ObservedDriver) -> SchedulerManager:
        sweeper = Sweeper(driver, self.retention)
        clock = SchedulerManager(queries(driver))

        async def clean_up(_schedule: Schedule) -> None:
            await request_clean_up(self.work.database)
            await sweeper.forget()

        async def put_right(_schedule: Schedule) -> None:
            await sweeper.enqueue_lost()
            await sweeper.take_turns()

        clock.schedule("request_clean_up", EVERY_HOUR)(clean_up)
        clock.schedule("enqueue_lost", EVERY_MINUTE)(put_right)
        return clock

    @staticmethod
    def _seconds_since(moment: float) -> float:
        return time.monotonic() - moment


def _is_news(record: logging.LogRecord) -> bool:
    # Said many times a second, with a traceback, as long as something runs whose session was lost.
    return not record.getMessage().startswith("Flush failed")
