"""Sends one mail."""

from temporalio import workflow

from app.temporal.contract import Activity, Execution, Failure
from app.temporal.workflows.steps import GIVEN_UP, HOURS, UNTIL_DONE, reason, run_step


@workflow.defn(name="send_email")
class SendEmail:
    """Tries for a day. The history holds the execution's id alone, no address and no token."""

    @workflow.run
    async def run(self, execution: Execution) -> None:
        """Carry out the execution."""
        try:
            await run_step(Activity.SEND_EMAIL, execution, retries=HOURS)
        except GIVEN_UP as exc:
            failure = Failure(execution.id, reason(exc))
            await run_step(Activity.FAIL_EXECUTION, failure, retries=UNTIL_DONE)
            raise
        await run_step(Activity.COMPLETE_EXECUTION, execution, retries=UNTIL_DONE)
