"""`CleanUp` under time skipping."""

from temporalio.testing import WorkflowEnvironment

from app.services.background_work import BackgroundWork
from tests import background, outcomes
from tests.temporal.running import start, worker


async def test_a_run_removes_what_is_due(
    time_skipping: WorkflowEnvironment, work: BackgroundWork
) -> None:
    execution_id, expired_id = await background.request_clean_up(work)

    async with worker(time_skipping.client, work) as task_queue:
        await (await start(time_skipping.client, work, execution_id, task_queue)).result()

    await outcomes.assert_cleaned_up(work, execution_id, expired_id)
