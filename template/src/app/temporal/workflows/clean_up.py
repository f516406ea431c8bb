"""Removes what has expired."""

from datetime import timedelta
from typing import Final

from temporalio import workflow

from app.temporal.contract import Activity, Execution, Failure
from app.temporal.workflows.steps import GIVEN_UP, MINUTES, UNTIL_DONE, reason, run_step

_CLEAN_UP: Final = timedelta(hours=1)


@workflow.defn(name="clean_up")
class CleanUp:
    """One run over everything; the next one finds what this one misses."""

    @workflow.run
    async def run(self, execution: Execution) -> None:
        """Carry out the execution."""
        try:
            await run_step(Activity.CLEAN_UP, retries=MINUTES, at_most=_CLEAN_UP)
        except GIVEN_UP as exc:
            failure = Failure(execution.id, reason(exc))
            await run_step(Activity.FAIL_EXECUTION, failure, retries=UNTIL_DONE)
            raise
        await run_step(Activity.COMPLETE_EXECUTION, execution, retries=UNTIL_DONE)


@workflow.defn(name="request_clean_up")
class RequestCleanUp:
    """What the schedule starts: a request like any other, so that the run has its row in `workflow_executions`."""

    @workflow.run
    async def run(self) -> None:
        """Write the row."""
        await run_step(Activity.REQUEST_CLEAN_UP, retries=MINUTES)
