"""One transaction on one connection: it commits or leaves nothing, and a forgotten tenant is an error."""

import asyncio
from contextlib import suppress
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlmodel import col

from app.core.db.admission import Caller, MemberAdmission, admit_member
from app.core.db.database import Database
from app.core.db.sessions import LobbySession, TenantSession
from app.core.db.unit_of_work import Side
from app.core.errors import AppError, TenantNotFound, Unavailable
from app.core.identifiers import uuid7
from app.core.roles import Role
from app.core.settings import DatabaseSettings
from app.models.public.tenants import Tenant, TenantStatus
from app.models.tenant.projects import Project
from app.repositories.base import ShownRows
from app.schemas.base import NEWEST, PageRequest
from app.schemas.projects import ProjectRead
from tests import background
from tests.factories import Factory
from tests.patience import PATIENCE_SECONDS


class Kept(AppError):
    keeps_changes = True


async def tenant_id(database: Database, slug: str) -> UUID:
    async with database.lobby() as lobby:
        found = await lobby.scalar(select(col(Tenant.id)).where(col(Tenant.slug) == slug))
    assert found is not None
    return found


def project(name: str = "") -> Project:
    return Project(name=name or str(uuid7()), created_by=uuid7())


async def names(database: Database, tenant: UUID) -> set[str]:
    async with database.tenant(tenant) as session:
        return set(await session.scalars(select(col(Project.name))))


async def test_each_tenant_sees_its_own_rows_alone(database: Database) -> None:
    acme, globex = await tenant_id(database, "acme"), await tenant_id(database, "globex")
    row = project()
    async with database.tenant(acme) as session:
        await session.add(row)
    assert row.name in await names(database, acme)
    assert row.name not in await names(database, globex)


async def test_a_compiled_query_finds_the_rows_of_the_entered_tenant(database: Database) -> None:
    acme, globex = await tenant_id(database, "acme"), await tenant_id(database, "globex")
    row = project()
    async with database.tenant(acme) as session:
        await session.add(row)
    for _ in range(3):
        for tenant, expected in ((acme, True), (globex, False)):
            async with database.tenant(tenant) as session:
                page = await ShownRows(session, Project, ProjectRead).page(PageRequest(100, NEWEST))
            assert (row.id in {item.id for item in page.items}) is expected


async def test_a_forgotten_tenant_is_an_error(database: Database) -> None:
    with pytest.raises(ProgrammingError, match="does not exist"):
        async with database.unit() as unit:
            await LobbySession(unit).scalar(select(func.count()).select_from(Project))


async def test_a_member_is_back_in_the_tenant_after_a_look_at_the_lobby(
    database: Database, factory: Factory
) -> None:
    member, acme = await factory.member("acme"), await tenant_id(database, "acme")
    caller = Caller(member.user_id, member.session_id)
    async with database.unit() as unit:
        await admit_member(unit, MemberAdmission(caller, acme, Role.MEMBER))
        sessions = (TenantSession(unit), LobbySession(unit), TenantSession(unit))
        whose = text("SELECT current_user")
        first, lobby, again = [(await session.execute(whose)).scalar_one() for session in sessions]
    assert first == again != lobby


@pytest.mark.parametrize(
    "status", sorted(set(TenantStatus) - {TenantStatus.READY, TenantStatus.SUSPENDED})
)
async def test_background_work_enters_no_tenant_that_is_not_there_to_be_entered(
    database: Database, factory: Factory, status: TenantStatus
) -> None:
    tenant = await factory.tenant(status=status)
    with pytest.raises(TenantNotFound):
        async with database.tenant(tenant.id) as session:
            await session.execute(text("SELECT 1"))


async def test_a_tenant_session_without_entry_is_an_error(database: Database) -> None:
    with pytest.raises(asyncpg.PostgresError, match=r"lobby\.role|role \"\""):
        async with database.unit() as unit:
            await TenantSession(unit).scalar(select(func.count()).select_from(Project))


async def test_another_tenants_schema_is_denied(database: Database) -> None:
    acme = await tenant_id(database, "acme")
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with database.tenant(acme) as session:
            await session.execute(text("SELECT * FROM tenant_globex.projects"))


async def test_the_lobby_is_denied_to_a_tenants_role(database: Database) -> None:
    acme = await tenant_id(database, "acme")
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with database.tenant(acme) as session:
            await session.execute(text("SELECT * FROM public.users"))


async def test_both_sides_share_the_transaction(database: Database) -> None:
    acme = await tenant_id(database, "acme")
    row = project()

    async def request() -> None:
        async with database.tenant(acme) as session:
            await session.add(row)
            lobby = LobbySession(session.unit)
            tenant = await lobby.scalar(select(Tenant).where(col(Tenant.id) == acme))
            assert tenant is not None
            tenant.name = row.name
            await lobby.flush()
            assert row.id in await session.scalars(select(col(Project.id)))
            raise Interrupted

    with pytest.raises(Interrupted):
        await request()
    async with database.lobby() as lobby:
        renamed = select(col(Tenant.id)).where(col(Tenant.name) == row.name)
        assert await lobby.scalar(renamed) is None
    assert row.name not in await names(database, acme)


async def test_a_savepoint_undoes_its_block_alone(database: Database) -> None:
    acme = await tenant_id(database, "acme")
    kept, undone = project(), project()

    async def attempt(session: TenantSession) -> None:
        async with session.savepoint():
            await session.add(undone)
            await LobbySession(session.unit).scalar(select(func.count()).select_from(Tenant))
            raise Interrupted

    async with database.tenant(acme) as session:
        await session.add(kept)
        with pytest.raises(Interrupted):
            await attempt(session)
        assert await session.scalars(select(col(Project.id)).where(col(Project.id) == kept.id))
    found = await names(database, acme)
    assert kept.name in found
    assert undone.name not in found


async def test_an_error_may_keep_its_changes(database: Database) -> None:
    acme = await tenant_id(database, "acme")
    row = project()

    async def request() -> None:
        async with database.tenant(acme) as session:
            await session.add(row)
            raise Kept

    with pytest.raises(Kept):
        await request()
    assert row.name in await names(database, acme)


async def test_a_swallowed_failure_does_not_pass_for_a_commit(database: Database) -> None:
    acme = await tenant_id(database, "acme")
    row = project()

    async def request() -> None:
        async with database.tenant(acme) as session:
            await session.add(row)
            with suppress(DBAPIError):
                await session.execute(text("SELECT 1 / 0"))

    with pytest.raises(Unavailable):
        await request()
    assert row.name not in await names(database, acme)


SLEEP = f"SELECT pg_sleep({2 * PATIENCE_SECONDS:.0f})"


async def somebody_sleeps(database: Database) -> bool:
    """Tell whether a session of the application is in that statement."""
    query = text(
        "SELECT count(*) FROM pg_catalog.pg_stat_activity"
        " WHERE wait_event = 'PgSleep' AND datname = current_database()"
    )
    async with database.lobby() as lobby:
        return bool((await lobby.execute(query)).scalar_one())


async def test_a_cancelled_request_leaves_nothing(database: Database) -> None:
    acme = await tenant_id(database, "acme")
    row = project()

    async def request() -> None:
        async with database.tenant(acme) as session:
            await session.add(row)
            await session.execute(text(SLEEP))

    task = asyncio.create_task(request())
    await background.eventually(lambda: somebody_sleeps(database))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert row.name not in await names(database, acme)
    assert database.pool.checkedout() == 0


async def test_a_request_cancelled_in_its_first_statement_takes_its_connection_along(
    database_settings: DatabaseSettings, database: Database
) -> None:
    settings = database_settings.model_copy(update={"pool_size": 1, "max_overflow": 0})
    async with Database(settings) as small:

        async def request() -> None:
            async with small.unit() as unit:
                await unit.enter(SLEEP, side=Side.LOBBY)

        task = asyncio.create_task(request())
        await background.eventually(lambda: somebody_sleeps(database))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with small.lobby() as lobby:
            assert await lobby.scalar(select(func.count()).select_from(Tenant))


async def test_a_row_that_was_changed_is_written_by_the_commit(database: Database) -> None:
    acme = await tenant_id(database, "acme")
    row = project()
    async with database.tenant(acme) as session:
        await session.add(row)

    async with database.tenant(acme) as session:
        found = await session.scalar(select(Project).where(col(Project.id) == row.id))
        assert found is not None
        found.name = f"renamed {row.id}"

    assert f"renamed {row.id}" in await names(database, acme)


async def test_effects_run_after_the_commit_alone(database: Database) -> None:
    acme = await tenant_id(database, "acme")
    ran: list[str] = []

    async def effect() -> None:
        ran.append("ran")

    async def request() -> None:
        async with database.tenant(acme) as session:
            session.after_commit(effect)
            raise Interrupted

    with pytest.raises(Interrupted):
        await request()
    assert ran == []
    async with database.tenant(acme) as session:
        session.after_commit(effect)
        assert ran == []
    assert ran == ["ran"]


async def test_an_effect_that_fails_undoes_nothing_and_keeps_no_other_from_running(
    database: Database,
) -> None:
    acme = await tenant_id(database, "acme")
    row = project()
    ran: list[str] = []

    async def failing() -> None:
        raise Interrupted

    async def effect() -> None:
        ran.append("ran")

    async with database.tenant(acme) as session:
        await session.add(row)
        session.after_commit(failing)
        session.after_commit(effect)

    assert ran == ["ran"]
    assert row.name in await names(database, acme)


async def test_an_unknown_tenant_is_not_entered(database: Database) -> None:
    with pytest.raises(TenantNotFound):
        async with database.tenant(uuid7()):
            pass


class Interrupted(Exception):
    """Stands for whatever goes wrong in a request."""
