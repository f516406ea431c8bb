"""Temporal as the engine of background work: one dispatcher, one Temporal worker."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import structlog
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from app.core.settings import Settings
from app.services.background_failures import describe
from app.services.background_work import BackgroundWork
from app.services.loops import Loop
from app.temporal.activities.clean_up import CleanUpActivities
from app.temporal.activities.mail import MailActivities
from app.temporal.activities.outcomes import OutcomeActivities
from app.temporal.activities.tenants import DeletionActivities, ProvisioningActivities
from app.temporal.client import connect_worker_client, lazy_client
from app.temporal.dispatcher import Dispatcher
from app.temporal.interceptor import ActivityInterceptor
from app.temporal.loops import WatchedLoop
from app.temporal.schedules import Schedules
from app.temporal.workflows.clean_up import CleanUp, RequestCleanUp
from app.temporal.workflows.delete_tenant import DeleteTenant
from app.temporal.workflows.provision_tenant import ProvisionTenant
from app.temporal.workflows.send_email import SendEmail

log = structlog.get_logger(__name__)

WORKFLOWS: Final = (ProvisionTenant, DeleteTenant, SendEmail, CleanUp, RequestCleanUp)

_SANDBOX: Final = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules("app.temporal.contract")
)
"""Loads for each run what its workflow imports; the contract, which is data alone, would be half of that time."""

_MAX_ACTIVITIES: Final = 20
"""At once in one worker."""

_STICKY: Final = timedelta(seconds=2)
"""How long a workflow's next step is kept for the worker that took the last one, should that have died."""

_RECONCILE_SECONDS: Final = 5.0
_SCHEDULES_SECONDS: Final = 60.0
_RECONNECT_SECONDS: Final = 2.0
_READY_SECONDS: Final = 10.0
_ALIVE_SECONDS: Final = 120.0


class Engine:
    """Runs until it is told to stop; an outage of Temporal or PostgreSQL is waited for."""

    def __init__(self, work: BackgroundWork, settings: Settings) -> None:
        self.work = work
        self.settings = settings.temporal
        self.grace = settings.worker.drain_timeout
        self._dispatching: list[WatchedLoop] = []
        self._worker: Worker | None = None
        self._interrupted = False

    def is_alive(self) -> bool:
        """Tell whether work is still looked for, in an outage too; if not, a restart may help."""
        return all(loop.tried_within(_ALIVE_SECONDS) for loop in self._dispatching)

    def is_ready(self) -> bool:
        """Tell whether work is found and done: PostgreSQL and Temporal answered a moment ago."""
        working = self._worker is not None and self._worker.is_running
        return working and all(loop.succeeded_within(_READY_SECONDS) for loop in self._dispatching)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then let running activities finish for as long as a worker drains."""
        loops = await self._loops()
        running = [asyncio.create_task(loop.run()) for loop in loops]
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self._serve(stopping)
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)

    async def _loops(self) -> list[Loop]:
        client, settings = await lazy_client(self.settings), self.settings
        dispatcher = Dispatcher(client, settings.task_queue, self.work.database, self.work.outcomes)
        poll_seconds = settings.poll_interval.total_seconds()
        self._dispatching = [
            WatchedLoop("start_pending", dispatcher.start_pending, pause_seconds=poll_seconds),
            WatchedLoop("reconcile", dispatcher.reconcile, pause_seconds=_RECONCILE_SECONDS),
        ]
        schedules = Schedules(client, settings.task_queue)
        return [
            *self._dispatching,
            Loop("schedules", schedules.ensure, pause_seconds=_SCHEDULES_SECONDS),
        ]

    async def _serve(self, stopping: asyncio.Task[Any]) -> None:
        try:
            client, task_queue = (
                await connect_worker_client(self.settings),
                self.settings.task_queue,
            )
            self._worker = build_worker(client, self.work, task_queue=task_queue, grace=self.grace)
            working = asyncio.create_task(self._worker.run())
            log.info("worker_started", task_queue=task_queue)
            self._interrupted = False
            await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
            await self._worker.shutdown()
            await working
        except Exception as exc:
            # Such as a namespace that does not exist yet; an outage alone does not end a worker.
            if not self._interrupted:
                log.warning("worker_interrupted", error=describe(exc))
            self._interrupted = True
            await asyncio.wait([stopping], timeout=_RECONNECT_SECONDS)


def build_worker(
    client: Client, work: BackgroundWork, *, task_queue: str, grace: timedelta
) -> Worker:
    """Return a worker for every workflow and activity; it is not running yet."""
    return Worker(
        client,
        task_queue=task_queue,
        workflows=WORKFLOWS,
        workflow_runner=_SANDBOX,
        activities=activities(work),
        interceptors=[ActivityInterceptor()],
        max_concurrent_activities=_MAX_ACTIVITIES,
        graceful_shutdown_timeout=grace,
        sticky_queue_schedule_to_start_timeout=_STICKY,
    )


def activities(work: BackgroundWork) -> list[Callable[..., Any]]:
    """Return every activity, bound to what it works with."""
    provisioning = ProvisioningActivities(work.provisioning)
    deletion = DeletionActivities(work.deletion)
    clean_up = CleanUpActivities(work.clean_up, work.database)
    outcomes = OutcomeActivities(work.outcomes)
    return [
        provisioning.create_schema,
        provisioning.migrate_schema,
        provisioning.complete,
        provisioning.drop_unready,
        provisioning.fail,
        deletion.read_due_date,
        deletion.drop_tenant,
        deletion.fail,
        MailActivities(work.email_delivery).send_email,
        clean_up.request,
        clean_up.run,
        outcomes.complete,
        outcomes.fail,
    ]
