"""Workers and workflows of a test."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from app.core.settings import Settings
from app.repositories.public.workflow_queue import QueuedExecution
from app.services.background_work import BackgroundWork
from app.temporal.contract import Execution
from app.temporal.dispatcher import workflow_id
from app.temporal.engine import build_worker
from tests import background

type Handle = WorkflowHandle[Any, Any]


@asynccontextmanager
async def worker(
    client: Client, work: BackgroundWork, task_queue: str | None = None
) -> AsyncIterator[str]:
    """Run a worker, on a task queue of its own if none is given, and yield the queue's name."""
    task_queue = task_queue or f"test-{secrets.token_hex(6)}"
    async with build_worker(client, work, task_queue=task_queue, grace=timedelta(seconds=1)):
        yield task_queue


async def start(
    client: Client, work: BackgroundWork, execution_id: UUID, task_queue: str
) -> Handle:
    """Start an execution's workflow as the dispatcher does."""
    row = await background.execution(work, execution_id)
    return await client.start_workflow(
        row.kind.value,
        Execution(execution_id),
        id=workflow_id(QueuedExecution(id=row.id, kind=row.kind)),
        task_queue=task_queue,
    )


async def attempts(handle: Handle, activity: str) -> int:
    """Return in which attempt an activity that is over has ended."""
    scheduled: set[int] = set()
    found = 0
    async for event in handle.fetch_history_events():
        if event.activity_task_scheduled_event_attributes.activity_type.name == activity:
            scheduled.add(event.event_id)
        started = event.activity_task_started_event_attributes
        if started.scheduled_event_id in scheduled:
            found = started.attempt
    return found


async def await_attempt(handle: Handle, number: int, activity: str) -> None:
    """Wait until an activity has failed so often that this is its next attempt."""

    async def reached() -> bool:
        pending = (await handle.describe()).raw_description.pending_activities
        return any(a.activity_type.name == activity and a.attempt >= number for a in pending)

    await background.eventually(reached)


async def ended_at(handle: Handle) -> datetime:
    """Return when a workflow that is over has ended, on the server's clock.

    The clock itself goes on: a server that skips time leaps to the next timer, years ahead.
    """
    events = [event async for event in handle.fetch_history_events()]
    return events[-1].event_time.ToDatetime(tzinfo=UTC)


async def given_up_in_an_outage(
    time_skipping: WorkflowEnvironment,
    work: BackgroundWork,
    settings: Settings,
    execution_id: UUID,
    recording: str,
) -> Handle:
    """Carry an execution out without PostgreSQL, which comes back once the activity that records the failure tries."""
    async with background.behind_a_gate(settings) as (gate, remote):
        await gate.close()
        async with worker(time_skipping.client, remote) as task_queue:
            handle = await start(time_skipping.client, work, execution_id, task_queue)
            ending = asyncio.create_task(handle.result())
            await await_attempt(handle, 2, recording)
            await gate.open()
            with pytest.raises(WorkflowFailureError):
                await ending
    return handle
