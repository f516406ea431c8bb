"""Provisioning and deletion, one step of the services each."""

from temporalio import activity

from app.services.deletion import Deletion
from app.services.provisioning import Provisioning
from app.temporal.contract import Activity, DueDate, DueDeletion, Execution, Failure


class ProvisioningActivities:
    """The steps of `ProvisionTenant`."""

    def __init__(self, provisioning: Provisioning) -> None:
        self.provisioning = provisioning

    @activity.defn(name=Activity.CREATE_SCHEMA)
    async def create_schema(self, execution: Execution) -> bool:
        """Create the tenant's role and schema; `False` if there is nothing left to do."""
        return await self.provisioning.create_schema(execution.id)

    @activity.defn(name=Activity.MIGRATE_SCHEMA)
    async def migrate_schema(self, execution: Execution) -> bool:
        """Make the tenant's tables; `False` if there is nothing left to do."""
        return await self.provisioning.migrate_schema(execution.id)

    @activity.defn(name=Activity.COMPLETE_PROVISIONING)
    async def complete(self, execution: Execution) -> None:
        """Open the tenant."""
        await self.provisioning.complete(execution.id)

    @activity.defn(name=Activity.DROP_UNREADY_SCHEMA)
    async def drop_unready(self, execution: Execution) -> None:
        """Drop what was made of a tenant that has not become ready."""
        await self.provisioning.drop_unready(execution.id)

    @activity.defn(name=Activity.FAIL_PROVISIONING)
    async def fail(self, failure: Failure) -> None:
        """Record that the tenant could not be provisioned."""
        await self.provisioning.fail(failure.execution_id, failure.error)


class DeletionActivities:
    """The steps of `DeleteTenant`."""

    def __init__(self, deletion: Deletion) -> None:
        self.deletion = deletion

    @activity.defn(name=Activity.READ_DUE_DATE)
    async def read_due_date(self, execution: Execution) -> DueDate:
        """Return when the tenant is to be dropped."""
        return DueDate(await self.deletion.due_at(execution.id))

    @activity.defn(name=Activity.DROP_TENANT)
    async def drop_tenant(self, due: DueDeletion) -> None:
        """Drop the tenant's data, if it is still due."""
        await self.deletion.drop(due.execution_id, due.due_at)

    @activity.defn(name=Activity.FAIL_DELETION)
    async def fail(self, failure: Failure) -> None:
        """Record the failure and request another execution."""
        await self.deletion.fail(failure.execution_id, failure.error)
