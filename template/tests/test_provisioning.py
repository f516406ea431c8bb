"""Provisioning, step by step: what each step does, repeats and leaves alone."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete, select, text, update
from sqlmodel import col

from app.core.db import migrations
from app.core.errors import TenantNotFound
from app.core.roles import Role
from app.core.settings import Settings
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.workflow_executions import WorkflowKind, WorkflowStatus
from app.models.tenant.projects import Project
from app.models.trees import tenant_tree
from app.services.background_work import BackgroundWork
from tests import background
from tests.background import Requested

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
async def work(settings: Settings) -> AsyncIterator[BackgroundWork]:
    async with background.working(settings) as work:
        yield work


async def test_makes_a_tenant_that_the_application_can_enter(work: BackgroundWork) -> None:
    requested = await background.request_tenant(work)
    await work.provisioning.run(requested.execution_id)

    tenant = await background.tenant(work, requested.tenant_id)
    assert tenant.status is TenantStatus.READY
    assert await background.has_every_table(work, tenant.schema_name)
    async with work.database.tenant(tenant.id) as session:
        await session.add(Project(name="Engine", created_by=requested.owner_id))
    execution = await background.execution(work, requested.execution_id)
    assert execution.status is WorkflowStatus.COMPLETED
    assert execution.started_at is not None
    assert execution.finished_at is not None
    assert execution.error is None
    assert await background.actions(work, tenant.id) == ["tenant.created", "tenant.provisioned"]


async def test_welcomes_the_owner_once(work: BackgroundWork) -> None:
    requested = await background.ready_tenant(work)

    await work.provisioning.complete(requested.execution_id)

    mails = [
        execution.payload
        for execution in await background.executions_of(work, requested.tenant_id)
        if execution.kind is WorkflowKind.SEND_EMAIL
    ]
    assert mails == [{"mail": "welcome", "subject": str(requested.owner_id)}]


async def test_each_step_can_be_repeated(work: BackgroundWork) -> None:
    requested = await background.request_tenant(work)

    for _ in range(2):
        assert await work.provisioning.create_schema(requested.execution_id)
    for _ in range(2):
        assert await work.provisioning.migrate_schema(requested.execution_id)
    for _ in range(2):
        await work.provisioning.complete(requested.execution_id)

    tenant = await background.tenant(work, requested.tenant_id)
    assert tenant.status is TenantStatus.READY
    assert await background.has_every_table(work, tenant.schema_name)


async def test_a_tenant_that_an_older_release_has_migrated_opens_with_the_newest_migrations(
    work: BackgroundWork,
) -> None:
    requested = await background.request_tenant(work)
    await work.provisioning.create_schema(requested.execution_id)
    await work.provisioning.migrate_schema(requested.execution_id)
    schema = (await background.tenant(work, requested.tenant_id)).schema_name
    engine, tree = work.provisioning.owner.ddl_engine, tenant_tree()
    await migrations.downgrade(engine, tree, to="base", schema=schema)

    await work.provisioning.complete(requested.execution_id)

    assert await background.has_every_table(work, schema)
    assert await migrations.is_at_head(engine, tree, schema=schema)


async def test_what_was_cut_off_behind_the_migrations_is_made_up_for(work: BackgroundWork) -> None:
    requested = await background.request_tenant(work)
    await work.provisioning.create_schema(requested.execution_id)
    tenant = await background.tenant(work, requested.tenant_id)
    engine, schema = work.provisioning.owner.ddl_engine, tenant.schema_name
    await migrations.upgrade(engine, tenant_tree(), schema=schema)

    await work.provisioning.migrate_schema(requested.execution_id)

    may_write = text("SELECT has_table_privilege(:role, :table, 'INSERT, UPDATE, DELETE')")
    async with engine.connect() as connection:
        table = {"role": tenant.role_name, "table": f"{schema}.alembic_version"}
        assert await connection.scalar(may_write, table) is False


async def test_gives_the_tenant_its_creator_as_owner(work: BackgroundWork) -> None:
    requested = await background.request_tenant(work)
    mine = col(UserTenantMembership.tenant_id) == requested.tenant_id
    async with work.database.lobby() as lobby:
        await lobby.execute(delete(UserTenantMembership).where(mine))

    await work.provisioning.run(requested.execution_id)

    async with work.database.lobby() as lobby:
        [membership] = await lobby.scalars(select(UserTenantMembership).where(mine))
    assert (membership.user_id, membership.role) == (requested.owner_id, Role.OWNER)


async def test_compensation_leaves_nothing_and_a_retry_starts_anew(
    work: BackgroundWork, settings: Settings
) -> None:
    requested = await background.request_tenant(work)
    await work.provisioning.create_schema(requested.execution_id)
    await work.provisioning.migrate_schema(requested.execution_id)

    await work.provisioning.drop_unready(requested.execution_id)
    await work.provisioning.fail(requested.execution_id, "migrate_schema: out of luck")

    tenant = await background.tenant(work, requested.tenant_id)
    assert tenant.status is TenantStatus.FAILED
    assert await background.tables(work, tenant.schema_name) == set()
    assert not await background.role_exists(work, tenant.role_name)
    execution = await background.execution(work, requested.execution_id)
    assert execution.status is WorkflowStatus.FAILED
    assert execution.error == "migrate_schema: out of luck"

    again = await _retry(work, settings, requested)
    await work.provisioning.run(again.execution_id)
    assert (await background.tenant(work, tenant.id)).status is TenantStatus.READY


async def test_a_late_step_of_a_failed_execution_touches_nothing(
    work: BackgroundWork, settings: Settings
) -> None:
    first = await background.request_tenant(work)
    await work.provisioning.fail(first.execution_id, "gave up")
    second = await _retry(work, settings, first)
    await work.provisioning.create_schema(second.execution_id)
    await work.provisioning.migrate_schema(second.execution_id)

    assert not await work.provisioning.create_schema(first.execution_id)
    assert not await work.provisioning.migrate_schema(first.execution_id)
    await work.provisioning.complete(first.execution_id)
    await work.provisioning.drop_unready(first.execution_id)
    await work.provisioning.fail(first.execution_id, "late")

    tenant = await background.tenant(work, first.tenant_id)
    assert tenant.status is TenantStatus.PROVISIONING
    assert await background.has_every_table(work, tenant.schema_name)
    await work.provisioning.complete(second.execution_id)
    assert (await background.tenant(work, first.tenant_id)).status is TenantStatus.READY


async def test_compensation_never_drops_a_ready_tenant(work: BackgroundWork) -> None:
    requested = await background.ready_tenant(work)

    await work.provisioning.drop_unready(requested.execution_id)
    await work.provisioning.fail(requested.execution_id, "late")

    tenant = await background.tenant(work, requested.tenant_id)
    assert tenant.status is TenantStatus.READY
    assert await background.has_every_table(work, tenant.schema_name)


async def test_an_execution_whose_tenant_has_moved_on_is_cancelled(work: BackgroundWork) -> None:
    requested = await background.request_tenant(work)
    await work.provisioning.create_schema(requested.execution_id)
    async with work.database.lobby() as lobby:
        # By hand: the application has no way to do this.
        await lobby.execute(
            update(Tenant)
            .where(col(Tenant.id) == requested.tenant_id)
            .values(status=TenantStatus.READY)
        )

    await work.provisioning.drop_unready(requested.execution_id)

    tenant = await background.tenant(work, requested.tenant_id)
    assert await background.role_exists(work, tenant.role_name)
    execution = await background.execution(work, requested.execution_id)
    assert execution.status is WorkflowStatus.CANCELLED
    assert execution.error == "the tenant is ready"


async def test_a_tenant_cannot_change_its_migrations(work: BackgroundWork) -> None:
    requested = await background.ready_tenant(work)

    with pytest.raises(Exception, match="permission denied for table alembic_version"):
        async with work.database.tenant(requested.tenant_id) as session:
            await session.execute(text("DELETE FROM alembic_version"))


async def test_a_tenant_that_is_not_ready_cannot_be_entered(work: BackgroundWork) -> None:
    requested = await background.request_tenant(work)
    await work.provisioning.create_schema(requested.execution_id)
    await work.provisioning.migrate_schema(requested.execution_id)

    with pytest.raises(TenantNotFound):
        async with work.database.tenant(requested.tenant_id) as session:
            await session.execute(select(Project))


async def test_the_models_are_what_a_new_tenant_gets(work: BackgroundWork) -> None:
    requested = await background.ready_tenant(work)

    tenant = await background.tenant(work, requested.tenant_id)
    await migrations.check(work.owner.ddl_engine, tenant_tree(), schema=tenant.schema_name)


async def _retry(work: BackgroundWork, settings: Settings, failed: Requested) -> Requested:
    async with work.database.lobby() as lobby:
        await background.lifecycle(lobby, settings).retry(failed.tenant_id)
    executions = await background.executions_of(work, failed.tenant_id)
    return Requested(failed.tenant_id, executions[-1].id, failed.owner_id, failed.owner_email)
