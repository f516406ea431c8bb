"""Drops a tenant when its grace period has ended."""

from datetime import timedelta
from typing import Final

from temporalio import workflow

from app.temporal.contract import Activity, DueDate, DueDeletion, Execution, Failure
from app.temporal.workflows.steps import GIVEN_UP, HOURS, UNTIL_DONE, reason, run_step

_LOOK_AGAIN: Final = timedelta(days=1)
"""A tenant may be restored, or its grace period changed, while the workflow sleeps."""

_DROP: Final = timedelta(minutes=30)


@workflow.defn(name="delete_tenant")
class DeleteTenant:
    """Sleeps until the due date, asks again, drops. When a day of attempts has failed, a new execution takes over."""

    @workflow.run
    async def run(self, execution: Execution) -> None:
        """Carry out the execution."""
        try:
            while due_at := (await _due_date(execution)).at:
                remaining = due_at - workflow.now()
                if remaining > timedelta():
                    await workflow.sleep(min(remaining, _LOOK_AGAIN))
                else:
                    due = DueDeletion(execution.id, due_at)
                    await run_step(Activity.DROP_TENANT, due, retries=HOURS, at_most=_DROP)
        except GIVEN_UP as exc:
            failure = Failure(execution.id, reason(exc))
            await run_step(Activity.FAIL_DELETION, failure, retries=UNTIL_DONE)
            raise


async def _due_date(execution: Execution) -> DueDate:
    due_date: DueDate = await run_step(
        Activity.READ_DUE_DATE, execution, retries=HOURS, result_type=DueDate
    )
    return due_date
