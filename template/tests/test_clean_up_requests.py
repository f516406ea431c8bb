"""When the hourly clean-up is asked for."""

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind
from app.services.background_work import BackgroundWork
from app.services.clean_up_requests import request_clean_up
from tests.plans import OPEN_EXECUTIONS, plans_of

pytestmark = pytest.mark.thorough


async def test_what_is_open_is_found_by_its_index(work: BackgroundWork) -> None:
    [plan] = await plans_of(work, request_clean_up(work.database))
    assert OPEN_EXECUTIONS in plan


async def test_one_request_at_a_time(work: BackgroundWork) -> None:
    async def requests() -> list[WorkflowExecution]:
        async with work.database.lobby() as lobby:
            return await lobby.scalars(
                select(WorkflowExecution).where(
                    col(WorkflowExecution.kind) == WorkflowKind.CLEAN_UP
                )
            )

    await request_clean_up(work.database)
    await request_clean_up(work.database)
    [request] = await requests()

    await work.outcomes.complete(request.id)
    await request_clean_up(work.database)
    assert len(await requests()) == 2
