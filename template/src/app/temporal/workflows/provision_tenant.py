"""Makes a tenant."""

from datetime import timedelta
from typing import Final

from temporalio import workflow

from app.temporal.contract import Activity, Execution, Failure
from app.temporal.workflows.steps import GIVEN_UP, MINUTES, UNTIL_DONE, reason, run_step

_MIGRATION: Final = timedelta(minutes=30)


@workflow.defn(name="provision_tenant")
class ProvisionTenant:
    """Role and schema, migrations, ready. What was made of a tenant that cannot become ready is dropped again."""

    @workflow.run
    async def run(self, execution: Execution) -> None:
        """Carry out the execution."""
        try:
            goes_on = await run_step(Activity.CREATE_SCHEMA, execution, retries=MINUTES)
            if goes_on:
                goes_on = await run_step(
                    Activity.MIGRATE_SCHEMA, execution, retries=MINUTES, at_most=_MIGRATION
                )
            if goes_on:
                await run_step(Activity.COMPLETE_PROVISIONING, execution, retries=MINUTES)
        except GIVEN_UP as exc:
            await _compensate(execution, reason(exc))
            raise


async def _compensate(execution: Execution, error: str) -> None:
    try:
        await run_step(Activity.DROP_UNREADY_SCHEMA, execution, retries=MINUTES)
    except GIVEN_UP as exc:
        error = f"{error}; {reason(exc)}"
    await run_step(Activity.FAIL_PROVISIONING, Failure(execution.id, error), retries=UNTIL_DONE)
