"""Workers and workflows of a test."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from temporalio.client import Client, WorkflowHandle

from app.repositories.public.workflow_queue import QueuedExecution
from app.services.background_work import BackgroundWork
from app.temporal.contract import Execution
from app.temporal.dispatcher import workflow_id
from app.temporal.engine import build_worker
from tests import background

type Handle = WorkflowHandle[Any, Any]


@asynccontextmanager
async def worker(client: Client, work: BackgroundWork) -> AsyncIterator[str]:
    """Run a worker on a task queue of its own, and yield the queue's name."""
    task_queue = f"test-{secrets.token_hex(6)}"
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
