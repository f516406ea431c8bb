"""Temporal as the engine of background work: one dispatcher, one Temporal worker."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from app.core.settings import TemporalSettings
from app.services.background_failures import describe
from app.services.background_work import BackgroundWork
from app.temporal.activities.clean_up import CleanUpActivities
from app.temporal.activities.mail import MailActivities
from app.temporal.activities.outcomes import OutcomeActivities
from app.temporal.activities.tenants import DeletionActivities, ProvisioningActivities
from app.temporal.client import connect_worker_client, lazy_client
from app.temporal.dispatcher import Dispatcher, Pulse
from app.temporal.interceptor import ActivityInterceptor
from app.temporal.workflows.clean_up import CleanUp, RequestCleanUp
from app.temporal.workflows.delete_tenant import DeleteTenant
from app.temporal.workflows.provision_tenant import ProvisionTenant
from app.temporal.workflows.send_email import SendEmail

log = structlog.get_logger(__name__)

WORKFLOWS: Final = (ProvisionTenant, DeleteTenant, SendEmail, CleanUp, RequestCleanUp)

_MAX_ACTIVITIES: Final = 20
"""At once; with the dispatcher's, the connections of one worker to PostgreSQL."""

_RECONNECT_SECONDS: Final = 2.0
_READY_WITHIN_SECONDS: Final = 15.0
_ALIVE_WITHIN_SECONDS: Final = 120.0


class Engine:
    """Runs until it is told to stop; an outage of Temporal or PostgreSQL is waited for."""

    def __init__(self, work: BackgroundWork, settings: TemporalSettings) -> None:
        self.work = work
        self.settings = settings
        self.pulse = Pulse()
        self._worker: Worker | None = None
        self._interrupted = False

    def is_alive(self) -> bool:
        """Tell whether work is still looked for, in an outage too; if not, a restart may help."""
        return time.monotonic() - self.pulse.tried_at < _ALIVE_WITHIN_SECONDS

    def is_ready(self) -> bool:
        """Tell whether work is found and done: PostgreSQL and Temporal answered a moment ago."""
        working = self._worker is not None and self._worker.is_running
        return working and time.monotonic() - self.pulse.succeeded_at < _READY_WITHIN_SECONDS

    async def run(self, stop: asyncio.Event, *, grace: timedelta) -> None:
        """Work until `stop` is set, then let running activities finish for at most `grace`."""
        dispatcher = Dispatcher(
            await lazy_client(self.settings),
            self.work.database,
            self.work.outcomes,
            self.settings,
            self.pulse,
        )
        dispatching = asyncio.create_task(dispatcher.run())
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self._serve(stopping, grace)
        finally:
            dispatching.cancel()
            await asyncio.wait([dispatching])

    async def _serve(self, stopping: asyncio.Task[Any], grace: timedelta) -> None:
        try:
            self._worker = self._build_worker(await connect_worker_client(self.settings), grace)
            working = asyncio.create_task(self._worker.run())
            log.info("worker_started", task_queue=self.settings.task_queue)
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

    def _build_worker(self, client: Client, grace: timedelta) -> Worker:
        return Worker(
            client,
            task_queue=self.settings.task_queue,
            workflows=WORKFLOWS,
            activities=activities(self.work),
            interceptors=[ActivityInterceptor()],
            max_concurrent_activities=_MAX_ACTIVITIES,
            graceful_shutdown_timeout=grace,
        )


def activities(work: BackgroundWork) -> list[Callable[..., Any]]:
    """Return every activity, bound to what it works with."""
    provisioning = ProvisioningActivities(work.provisioning)
    deletion = DeletionActivities(work.deletion)
    clean_up = CleanUpActivities(work.clean_up)
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
