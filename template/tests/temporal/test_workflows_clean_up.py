"""`CleanUp` under time skipping."""

import pytest
from temporalio.testing import WorkflowEnvironment

from app.core.settings import Settings
from app.services.background_work import BackgroundWork
from tests import background, outcomes
from tests.temporal.running import given_up_in_an_outage, start, worker

pytestmark = pytest.mark.slow


async def test_a_run_removes_what_is_due(
    time_skipping: WorkflowEnvironment, work: BackgroundWork
) -> None:
    execution_id, expired_id = await background.request_clean_up(work)

    async with worker(time_skipping.client, work) as task_queue:
        await (await start(time_skipping.client, work, execution_id, task_queue)).result()

    await outcomes.assert_cleaned_up(work, execution_id, expired_id)


async def test_an_outage_without_end_is_given_up_and_recorded_once_it_ends(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, separate: Settings
) -> None:
    execution_id, _ = await background.request_clean_up(work)

    await given_up_in_an_outage(time_skipping, work, separate, execution_id, "fail_execution")

    await outcomes.assert_failed(work, execution_id, "clean_up: Unavailable")
