"""The sample tenants."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select, update
from sqlmodel import col

from app.core.roles import Role
from app.core.settings import Settings
from app.models.public.audit_logs import AuditLog
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.users import User
from app.models.tenant.projects import Project
from app.services.background_work import BackgroundWork
from app.services.migration_service import MigrationService
from app.services.samples import SAMPLES
from tests import background
from tests.sign_in.mode import seed

PEOPLE = {"owner@acme.test", "member@acme.test", "owner@globex.test", "admin@platform.test"}


@pytest.fixture(scope="module")
async def work(settings: Settings, admin_url: str) -> AsyncIterator[BackgroundWork]:
    async with (
        background.empty(settings, admin_url) as empty,
        background.working(empty) as work,
    ):
        await MigrationService(work.owner, empty.database, lambda _line: None).migrate()
        await seed(work)
        yield work


async def users(work: BackgroundWork) -> dict[str, User]:
    async with work.database.lobby() as lobby:
        return {user.email: user for user in await lobby.scalars(select(User))}


async def tenants(work: BackgroundWork) -> dict[str, Tenant]:
    async with work.database.lobby() as lobby:
        return {tenant.slug: tenant for tenant in await lobby.scalars(select(Tenant))}


async def test_users_tenants_and_projects_are_there(work: BackgroundWork) -> None:
    people = await users(work)
    assert people.keys() == PEOPLE
    assert [email for email, user in people.items() if user.is_superuser] == ["admin@platform.test"]
    for user in people.values():
        assert user.email_verified_at is not None
    samples = await tenants(work)
    assert samples.keys() == {"acme", "globex"}
    for sample in SAMPLES:
        tenant = samples[sample.slug]
        assert tenant.status is TenantStatus.READY
        async with work.database.tenant(tenant.id) as session:
            projects = await session.scalars(select(Project))
        assert {project.name for project in projects} == set(sample.projects)
        assert {project.created_by for project in projects} == {people[sample.owner].id}


async def test_roles(work: BackgroundWork) -> None:
    query = (
        select(col(Tenant.slug), col(User.email), col(UserTenantMembership.role))
        .join(Tenant, col(Tenant.id) == col(UserTenantMembership.tenant_id))
        .join(User, col(User.id) == col(UserTenantMembership.user_id))
    )
    async with work.database.lobby() as lobby:
        found = {tuple(row) for row in await lobby.execute(query)}
    assert found == {
        ("acme", "owner@acme.test", Role.OWNER),
        ("acme", "member@acme.test", Role.MEMBER),
        ("globex", "owner@globex.test", Role.OWNER),
    }


async def test_seeding_again_adds_nothing(work: BackgroundWork) -> None:
    async def rows() -> list[int | None]:
        async with work.database.lobby() as lobby:
            return [
                await lobby.scalar(select(func.count()).select_from(model))
                for model in (User, Tenant, UserTenantMembership, AuditLog)
            ]

    before = await rows()

    await seed(work)

    assert await rows() == before


async def test_a_tenant_that_was_left_half_made_is_finished(work: BackgroundWork) -> None:
    bystander = await background.request_tenant(work)
    requested = await background.request_tenant(work)
    async with work.database.lobby() as lobby:
        await lobby.execute(update(Tenant).where(col(Tenant.slug) == "acme").values(slug="old"))
        await lobby.execute(
            update(Tenant).where(col(Tenant.id) == requested.tenant_id).values(slug="acme")
        )
    await work.provisioning.create_schema(requested.execution_id)

    await seed(work)

    acme = (await tenants(work))["acme"]
    assert (acme.id, acme.status) == (requested.tenant_id, TenantStatus.READY)
    others = {tenant.id: tenant.status for tenant in (await tenants(work)).values()}
    assert others[bystander.tenant_id] is TenantStatus.PROVISIONING
