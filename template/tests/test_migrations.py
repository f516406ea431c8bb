"""`app migrate` and `app migration`: every schema, one after the other, and what is written for the next time."""

import asyncio
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Table, Uuid, text

from app.core.db import migrations
from app.core.db.owner import Lock, OwnerDatabase, connection_of
from app.core.db.revisions import tenant_heads
from app.core.identifiers import utcnow
from app.core.settings import Settings
from app.models.base import JsonObject, TenantBase
from app.models.trees import public_tree, tenant_tree
from app.services.migration_service import MigrationRefused, MigrationService
from tests import background
from tests.migrating import Migrating, head_of_your_branch, scripts_of, write_revision

pytestmark = pytest.mark.slow

UP_TO_DATE = "tenants: 0 migrated, 2 up to date, 0 failed"


@pytest.fixture(autouse=True)
def scripts(own_migrations: Path) -> Path:
    """No test comes near the migrations of the service."""
    return own_migrations


async def test_what_is_up_to_date_is_skipped(migrating: Migrating) -> None:
    assert await migrating.service.migrate() == []
    assert migrating.lines == ["public: up to date", UP_TO_DATE]


async def test_a_tenant_that_is_behind_is_migrated(migrating: Migrating) -> None:
    await migrating.take_back("globex")

    assert await migrating.service.migrate() == []

    assert "globex: migrated (2 of 2)" in migrating.lines
    assert migrating.lines[-1] == "tenants: 1 migrated, 1 up to date, 0 failed"
    assert await migrating.recorded("globex") == await migrating.recorded("acme")
    assert await migrating.tables("globex") == await migrating.tables("acme")


async def test_what_a_schema_has_is_recorded_where_it_is_not(migrating: Migrating) -> None:
    made = await migrating.recorded("acme")
    assert set(made) == {script.revision for script in scripts_of("tenant").walk_revisions()}
    assert set(tenant_heads()) == set(scripts_of("tenant").get_heads())

    await migrating.execute("UPDATE public.tenants SET migrations = NULL")
    await migrating.service.migrate()
    assert migrating.lines[-1] == "tenants: 0 migrated, 2 up to date, 0 failed"
    assert await migrating.recorded("acme") == made


async def test_it_goes_on_past_a_tenant_that_fails(migrating: Migrating) -> None:
    await migrating.take_back("acme", "globex")
    await migrating.execute("DROP TABLE tenant_acme.alembic_version")
    await migrating.execute("CREATE TABLE tenant_acme.alembic_version ()")

    assert await migrating.service.migrate() == ["acme"]
    assert await migrating.recorded("acme") == []

    [failure] = [line for line in migrating.lines if line.startswith("acme")]
    assert failure.startswith("acme: FAILED, UndefinedColumnError: ")
    assert migrating.lines[-1] == "tenants: 1 migrated, 0 up to date, 1 failed"
    # Nothing of the failed one is half done.
    await migrating.execute("DROP TABLE tenant_acme.alembic_version")
    assert await migrating.service.migrate() == []
    assert await migrating.tables("globex") == await migrating.tables("acme")


async def test_suspended_and_deleted_tenants_are_migrated_too(migrating: Migrating) -> None:
    await migrating.take_back("acme", "globex")
    await migrating.execute("UPDATE public.tenants SET status = 'suspended' WHERE slug = 'acme'")
    await migrating.execute("UPDATE public.tenants SET status = 'deleting' WHERE slug = 'globex'")

    await migrating.service.migrate()

    assert migrating.lines[-1] == "tenants: 2 migrated, 0 up to date, 0 failed"


async def test_a_tenant_that_is_dropped_before_its_turn_is_passed_over(
    migrating: Migrating, settings: Settings
) -> None:
    # Of its own: the standing tenants' roles are other databases' too, and stay.
    tenant_id = (await background.ready_tenant(migrating.work)).tenant_id
    slug = (await background.tenant(migrating.work, tenant_id)).slug
    async with migrating.owner.lobby() as session:
        hold_up_acme = text("LOCK TABLE tenant_acme.alembic_version")
        await (await connection_of(session)).execute(hold_up_acme)
        running = asyncio.create_task(migrating.service.migrate())
        await background.eventually(lambda: background.somebody_waits(migrating.work))
        async with migrating.work.database.lobby() as lobby:
            await background.lifecycle(lobby, settings).delete(tenant_id)
        *_, execution = await background.executions_of(migrating.work, tenant_id)
        await migrating.work.deletion.drop(execution.id, utcnow() + timedelta(days=31))

    assert await running == []
    assert migrating.lines[-2:] == [
        f"{slug}: deleted meanwhile",
        UP_TO_DATE,
    ]


async def test_a_tenant_without_a_schema_is_left_to_its_provisioning(migrating: Migrating) -> None:
    requested = await background.request_tenant(migrating.work)

    assert await migrating.service.migrate() == []

    assert migrating.lines[-1] == UP_TO_DATE
    await migrating.work.provisioning.run(requested.execution_id)


async def test_two_at_once_are_refused(migrating: Migrating) -> None:
    async with migrating.owner.exclusive(Lock.MIGRATE):
        with pytest.raises(MigrationRefused, match="Another `app migrate` is running"):
            await migrating.service.migrate()
    assert migrating.lines == []

    assert await migrating.service.migrate() == []


async def test_both_trees_lead_to_the_models(migrating: Migrating) -> None:
    engine = migrating.owner.ddl_engine
    await migrations.check(engine, public_tree())
    await migrations.check(engine, tenant_tree(), schema="tenant_acme")


async def test_the_lobby_is_made_from_nothing_and_undone(
    settings: Settings, admin_url: str
) -> None:
    async with (
        background.empty(settings, admin_url) as empty,
        OwnerDatabase(empty.database) as owner,
    ):
        lines: list[str] = []
        service = MigrationService(owner, empty.database, lines.append)
        assert await service.migrate() == []
        assert lines[0] == "public: migrated"

        await migrations.downgrade(owner.ddl_engine, public_tree(), to="base")
        query = text(
            "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
            " ON n.oid = c.relnamespace WHERE nspname = 'public' AND relname <> 'alembic_version'"
            " AND relkind IN ('r', 'i', 'S') AND relname NOT LIKE 'alembic_version%'"
        )
        async with owner.engine.connect() as connection:
            assert await connection.scalar(query) == 0
        assert await service.migrate() == []


async def test_nothing_is_written_where_models_and_migrations_agree(migrating: Migrating) -> None:
    with pytest.raises(MigrationRefused, match="there is nothing to write"):
        await migrating.service.write("tenant", "nothing", empty=False)
    with pytest.raises(MigrationRefused, match="there is nothing to write"):
        await migrating.service.write("public", "nothing", empty=False)

    query = text("SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname LIKE '%scratch%'")
    async with migrating.owner.engine.connect() as connection:
        assert await connection.scalar(query) == 0


async def test_nothing_is_written_from_a_database_that_is_behind(
    settings: Settings, admin_url: str
) -> None:
    async with (
        background.empty(settings, admin_url) as empty,
        OwnerDatabase(empty.database) as owner,
    ):
        service = MigrationService(owner, empty.database, print)
        with pytest.raises(MigrationRefused, match="run `app migrate` first"):
            await service.write("tenant", "too early", empty=True)


@pytest.fixture
def new_table() -> Iterator[Table]:
    """A model that no migration knows."""
    table = Table("new_table", TenantBase.metadata, Column("id", Uuid(), primary_key=True))
    table.append_column(Column("metadata", JsonObject(), nullable=False))
    yield table
    TenantBase.metadata.remove(table)


@pytest.mark.usefixtures("new_table")
async def test_a_new_model_becomes_a_migration_of_your_branch(
    migrating: Migrating, scripts: Path
) -> None:
    path = await migrating.service.write("tenant", "add a table", empty=False)

    assert path.parent == scripts / "tenant" / "app"
    written = path.read_text()
    assert "sa.Column('metadata', postgresql.JSONB(), nullable=False)" in written
    assert written.count("op.create_table") == 1
    assert await migrating.service.migrate() == []
    assert "new_table" in await migrating.tables("acme")
    assert "new_table" in await migrating.tables("globex")


async def test_a_migration_of_data_may_be_empty(migrating: Migrating, scripts: Path) -> None:
    path = await migrating.service.write("public", "fill in names", empty=True)

    assert path.parent == scripts / "public" / "app"
    await migrating.service.migrate()
    assert migrating.lines[0] == "public: migrated"


async def test_the_next_migration_follows_both_of_two_that_were_written_at_once(
    migrating: Migrating, scripts: Path
) -> None:
    mine = await migrating.service.write("tenant", "mine", empty=True)
    theirs = re.sub(r"(?m)^revision: str = .*$", 'revision: str = "theirs"', mine.read_text())
    mine.with_name("theirs.py").write_text(theirs)
    assert await migrating.service.migrate() == []

    await migrating.service.write("tenant", "both", empty=True)
    assert await migrating.service.migrate() == []
    assert migrating.lines[-1] == "tenants: 2 migrated, 0 up to date, 0 failed"
    assert await migrating.service.migrate() == []
    assert migrating.lines[-1] == UP_TO_DATE


async def test_your_newest_migration_is_taken_back(migrating: Migrating, scripts: Path) -> None:
    before = head_of_your_branch()
    write_revision(scripts, 'op.execute("CREATE TABLE made_before ()")')
    await migrating.service.migrate()
    await migrating.execute("DROP TABLE tenant_globex.made_before")
    await migrating.execute("DELETE FROM tenant_globex.alembic_version WHERE version_num = 'mine'")
    insert = f"INSERT INTO tenant_globex.alembic_version VALUES ('{before}')"  # noqa: S608  a name of ours
    await migrating.execute(insert)

    await migrating.service.undo("tenant")

    assert migrating.lines[-1].startswith("mine.py: taken back in 1 of 2 schemas.")
    assert "made_before" not in await migrating.tables("acme")
    assert "mine" not in await migrating.recorded("acme")
    await migrating.service.migrate()
    assert "made_before" in await migrating.tables("globex")


@pytest.mark.parametrize("tree", ["public", "tenant"])
async def test_of_two_written_at_once_neither_is_taken_back(
    migrating: Migrating, scripts: Path, tree: Any
) -> None:
    mine = write_revision(scripts, "pass", tree)
    theirs = mine.read_text().replace('"mine"', '"theirs"')
    mine.with_name("theirs.py").write_text(theirs)
    with pytest.raises(migrations.BrokenHistory, match="neither is the newest"):
        await migrating.service.undo(tree)


async def test_the_templates_migrations_are_not_taken_back(
    migrating: Migrating, scripts: Path
) -> None:
    for path in (scripts / "tenant" / "app").glob("*.py"):
        if path.name != "app_base.py":
            path.unlink()
    with pytest.raises(MigrationRefused, match="no migration of yours"):
        await migrating.service.undo("tenant")


BROKEN = {
    "missing": ('revision = "mine"\ndown_revision = "gone"\n', "Revision gone referenced"),
    "twice": ('revision = "app_base"\ndown_revision = None\n', "Revision app_base is present more"),
    "circular": ('revision = "mine"\ndown_revision = "mine"\n', "mine"),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("tree", ["public", "tenant"])
async def test_a_broken_history_is_told_before_anything_is_done(
    migrating: Migrating, scripts: Path, tree: str, fault: str
) -> None:
    text, said = BROKEN[fault]
    (scripts / tree / "app" / "mine.py").write_text(text)

    with pytest.raises(migrations.BrokenHistory, match=f"{tree} do not follow.*{said}"):
        await migrating.service.migrate()

    assert migrating.lines == []


async def test_where_no_migrations_are_nothing_is_called_up_to_date(
    migrating: Migrating, scripts: Path
) -> None:
    shutil.rmtree(scripts / "public")
    with pytest.raises(migrations.BrokenHistory, match=r"no migrations in .*public"):
        await migrating.service.migrate()
