"""What runs by the clock."""

from datetime import timedelta
from typing import Final

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from app.temporal.client import RPC_TIMEOUT

_EVERY: Final = timedelta(hours=1)
_NAME: Final = "request_clean_up"


class Schedules:
    """Keeps Temporal's schedules as they are written here."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self.client = client
        self.task_queue = task_queue
        self._updated = False

    async def ensure(self) -> bool:
        """Create what is missing; the first time in a process, also bring what exists up to date.

        Returns `False`: there is no more to do until the next time.
        """
        id = f"{self.task_queue}-{_NAME}"
        try:
            await self.client.create_schedule(id, self._schedule(), rpc_timeout=RPC_TIMEOUT)
        except ScheduleAlreadyRunningError:
            if not self._updated:
                handle = self.client.get_schedule_handle(id)
                await handle.update(self._renewed, rpc_timeout=RPC_TIMEOUT)
        self._updated = True
        return False

    def _schedule(self) -> Schedule:
        return Schedule(
            action=ScheduleActionStartWorkflow(
                _NAME, id=f"{self.task_queue}-{_NAME}", task_queue=self.task_queue
            ),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=_EVERY)]),
            policy=SchedulePolicy(
                overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=10)
            ),
        )

    def _renewed(self, current: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = self._schedule()
        # An operator may have paused it.
        schedule.state = current.description.schedule.state
        return ScheduleUpdate(schedule)
