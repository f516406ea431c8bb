"""Makes a tenant's role, schema and tables, in steps that can each be repeated (docs/multi-tenancy.md).

An engine calls `create_schema`, `migrate_schema` and `complete`, and when one of them keeps failing
`drop_unready` and `fail`.
"""

import asyncio
from contextlib import suppress
from typing import Final
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from app.core.db import migrations, privileges, tenancy
from app.core.db.owner import OwnerDatabase
from app.core.identifiers import utcnow
from app.core.roles import Role
from app.core.settings import DatabaseSettings
from app.models.public.tenants import TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.models.trees import tenant_tree
from app.services.tenant_work import TenantWork, tenant_work
from app.services.workflow_requests import Mail, WorkflowRequests

_UNREADY: Final = TenantStatus.PROVISIONING


class Provisioning:
    """Each step is one transaction, and does nothing when its execution was closed or the tenant moved on."""

    def __init__(self, owner: OwnerDatabase, settings: DatabaseSettings) -> None:
        self.owner = owner
        self.login = privileges.login_role(settings)
        # Alembic upgrades one schema at a time in a process; who waits here holds no connection.
        self._migrating = asyncio.Lock()

    async def run(self, execution_id: UUID) -> None:
        """Take every step here and now, without an engine."""
        if await self.create_schema(execution_id) and await self.migrate_schema(execution_id):
            await self.complete(execution_id)

    async def create_schema(self, execution_id: UUID) -> bool:
        """Create the role and the empty schema, and tell whether the next step is to follow."""
        async with tenant_work(self.owner, execution_id, _UNREADY) as work:
            if work is None:
                return False
            await tenancy.create_tenant_schema(
                work.connection,
                schema=work.tenant.schema_name,
                role=work.role,
                login=self.login,
            )
        return True

    async def migrate_schema(self, execution_id: UUID) -> bool:
        """Bring the schema to the newest migrations, and tell whether the next step is to follow."""
        async with self._migrating, tenant_work(self.owner, execution_id, _UNREADY) as work:
            if work is None:
                return False
            await self._migrate(work)
        return True

    async def complete(self, execution_id: UUID) -> None:
        """Open the tenant, with its creator as its first owner, who is welcomed once."""
        async with self._migrating, tenant_work(self.owner, execution_id, _UNREADY) as work:
            if work is not None:
                # The step before may have been taken by an older release, and `app migrate` before the tenant is ready.
                await self._migrate(work)
                await _ensure_owner(work)
                await work.change_status(TenantStatus.READY, action="tenant.provisioned")
                await _welcome_owner(work)
                await work.close(WorkflowStatus.COMPLETED)

    async def _migrate(self, work: TenantWork) -> None:
        engine, tree, schema = self.owner.ddl_engine, tenant_tree(), work.tenant.schema_name
        # What a newer release has migrated is left as it is.
        with suppress(migrations.UnknownMigration):
            if not await migrations.is_at_head(engine, tree, schema=schema):
                await migrations.upgrade(engine, tree, schema=schema)
        # Whether or not: migrations have a transaction of their own, and this one may have been cut off.
        await tenancy.protect_version_table(work.connection, schema=schema, role=work.role)
        await migrations.record(work.connection, tree, schema)

    async def drop_unready(self, execution_id: UUID) -> None:
        """Drop what was made of a tenant that has not become ready."""
        async with tenant_work(self.owner, execution_id, _UNREADY) as work:
            if work is not None:
                await tenancy.drop_tenant_schema(
                    work.connection, schema=work.tenant.schema_name, role=work.role
                )

    async def fail(self, execution_id: UUID, error: str) -> None:
        """Record that the tenant could not be provisioned; a superuser can have it tried again."""
        async with tenant_work(self.owner, execution_id, _UNREADY) as work:
            if work is not None:
                await work.change_status(TenantStatus.FAILED, action="tenant.provisioning_failed")
                await work.close(WorkflowStatus.FAILED, error)


async def _ensure_owner(work: TenantWork) -> None:
    tenant = work.tenant
    if tenant.created_by is None:
        return
    membership = col(UserTenantMembership.tenant_id) == tenant.id
    owned = exists().where(membership, col(UserTenantMembership.role) == Role.OWNER)
    if await work.session.scalar(select(owned)):
        return
    first = {"tenant_id": tenant.id, "user_id": tenant.created_by, "joined_at": utcnow()}
    await work.session.execute(
        insert(UserTenantMembership)
        .values(role=Role.OWNER, **first)
        .on_conflict_do_update(constraint="pk_user_tenant_membership", set_={"role": Role.OWNER})
    )


async def _welcome_owner(work: TenantWork) -> None:
    tenant, owner = work.tenant, work.tenant.created_by
    requested = exists().where(
        col(WorkflowExecution.tenant_id) == tenant.id,
        col(WorkflowExecution.kind) == WorkflowKind.SEND_EMAIL,
        col(WorkflowExecution.payload)["mail"].astext == Mail.WELCOME.value,
    )
    if owner is not None and not await work.session.scalar(select(requested)):
        await WorkflowRequests(work.session).send_email(
            Mail.WELCOME, owner, user_id=owner, tenant_id=tenant.id
        )
