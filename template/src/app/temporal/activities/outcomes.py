"""How executions end that change no tenant."""

from temporalio import activity

from app.services.workflow_outcomes import WorkflowOutcomes
from app.temporal.contract import Activity, Execution, Failure


class OutcomeActivities:
    """The last step of a workflow."""

    def __init__(self, outcomes: WorkflowOutcomes) -> None:
        self.outcomes = outcomes

    @activity.defn(name=Activity.COMPLETE_EXECUTION)
    async def complete(self, execution: Execution) -> None:
        """Record that the work is done."""
        await self.outcomes.complete(execution.id)

    @activity.defn(name=Activity.FAIL_EXECUTION)
    async def fail(self, failure: Failure) -> None:
        """Record that the work was given up."""
        await self.outcomes.fail(failure.execution_id, failure.error)
