"""A tenant and the execution that works on it, for one transaction of the DDL role."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.core.db.owner import OwnerDatabase, connection_of
from app.core.db.sessions import LobbySession
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.workflow_executions import WorkflowExecution, WorkflowStatus
from app.repositories.public.tenants import TenantRegistry
from app.repositories.public.workflow_queue import WorkflowQueue
from app.services.audit_trail import Actor, AuditTrail
from app.services.tenant_moves import move


@dataclass(frozen=True, slots=True)
class TenantWork:
    """A tenant in the state that the work needs, locked until the transaction ends."""

    session: LobbySession
    connection: AsyncConnection
    tenant: Tenant
    execution_id: UUID

    @property
    def role(self) -> str:
        """The tenant's role, which a trigger named when the row was written."""
        return str(self.tenant.role_name)

    async def close(self, status: WorkflowStatus, error: str | None = None) -> None:
        """Record how the execution ended."""
        await WorkflowQueue(self.session).close(self.execution_id, status, error)

    async def change_status(self, status: TenantStatus, *, action: str) -> None:
        """Move the tenant on, with an audit row that names no actor: the platform did it."""
        tenants, audit = TenantRegistry(self.session), AuditTrail(self.session, Actor())
        await move(tenants, audit, self.tenant, action, {"status": status})


@asynccontextmanager
async def tenant_work(
    owner: OwnerDatabase, execution_id: UUID, needed: TenantStatus
) -> AsyncIterator[TenantWork | None]:
    """Yield the tenant of an execution, or `None` if there is nothing left to do.

    That is so when the execution was closed, and when the tenant is not in the state `needed`, which closes it.
    Whoever closes an execution or changes a tenant's state locks the tenant first: of two, one goes on.
    """
    async with owner.lobby() as session:
        queue = WorkflowQueue(session)
        tenant = await session.scalar(_tenant_of(execution_id))
        if tenant is None or not await queue.is_open(execution_id):
            yield None
        elif tenant.status is not needed:
            reason = f"the tenant is {tenant.status}"
            await queue.close(execution_id, WorkflowStatus.CANCELLED, reason)
            yield None
        else:
            connection = await connection_of(session)
            yield TenantWork(session, connection, tenant, execution_id)


def _tenant_of(execution_id: UUID) -> Select[Tenant]:
    return (
        select(Tenant)
        .join(WorkflowExecution, col(WorkflowExecution.tenant_id) == col(Tenant.id))
        .where(col(WorkflowExecution.id) == execution_id)
        # Leaves room for rows that refer to the tenant, such as a member's login.
        .with_for_update(of=Tenant, key_share=True)
    )
