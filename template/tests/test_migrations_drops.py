"""What `app migrate` says and asks before it drops something."""

from pathlib import Path

import pytest

from app.services.migration_service import DropsRefused
from tests.migrating import Migrating, write_revision

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def scripts(own_migrations: Path) -> Path:
    """No test comes near the migrations of the service."""
    return own_migrations


DROPPING = {
    "op.drop_column('projects', 'description')": "op.drop_column('projects', 'description')",
    "with op.batch_alter_table('projects') as batch:\n    batch.drop_column('description')": (
        "batch.drop_column('description')"
    ),
    "op.execute('alter table projects drop description')": "alter table projects drop description",
    "op.execute(sa.text('\\n  DELETE FROM projects\\n  WHERE true'))": (
        "DELETE FROM projects WHERE true"
    ),
    "op.execute('/* all; */ TRUNCATE projects CASCADE -- for now')": "TRUNCATE projects CASCADE",
}


@pytest.mark.parametrize("upgrade", DROPPING)
async def test_what_drops_is_told_and_waits_for_somebody_who_agrees(
    migrating: Migrating, scripts: Path, upgrade: str
) -> None:
    write_revision(scripts, upgrade)

    with pytest.raises(DropsRefused, match="Nothing was done"):
        await migrating.service.migrate(lambda: False)

    assert migrating.lines == [
        "These migrations drop what cannot be brought back:",
        f"  tenant: mine.py {DROPPING[upgrade]} in 2 schemas",
    ]
    await migrating.execute("SELECT description FROM tenant_acme.projects")

    assert await migrating.service.migrate(lambda: True) == []
    assert migrating.lines[-1] == "tenants: 2 migrated, 0 up to date, 0 failed"
    assert await migrating.service.migrate(lambda: False) == []


HARMLESS = (
    "op.drop_constraint('uq_projects_name', 'projects')",
    "op.execute('ALTER TABLE projects ALTER name DROP NOT NULL')",
    "'DELETE FROM projects'",
    "op.execute('CREATE FUNCTION f() RETURNS int AS $$ DELETE FROM projects; SELECT 1 $$ LANGUAGE sql')",
)


@pytest.mark.parametrize("upgrade", HARMLESS)
async def test_nobody_is_asked_about_anything_else(
    migrating: Migrating, scripts: Path, upgrade: str
) -> None:
    write_revision(scripts, upgrade)
    assert await migrating.service.migrate(lambda: False) == []


async def test_nobody_is_asked_where_there_is_nothing_to_lose(
    migrating: Migrating, scripts: Path
) -> None:
    path = write_revision(scripts, "op.execute('DROP TABLE projects CASCADE')")
    path.write_text(f"{path.read_text()}\ndepends_on = 'lobby_0002'\n")
    await migrating.take_back("acme", "globex")

    assert await migrating.service.migrate(lambda: False) == []
    assert "projects" not in await migrating.tables("acme")


async def test_what_drops_in_the_lobby_is_told(migrating: Migrating, scripts: Path) -> None:
    await migrating.execute("CREATE TABLE public.tested_plans ()")
    write_revision(scripts, "op.drop_table('tested_plans', schema='public')", tree="public")

    with pytest.raises(DropsRefused):
        await migrating.service.migrate(lambda: False)

    assert migrating.lines[1] == "  public: mine.py op.drop_table('tested_plans', schema='public')"


async def test_a_schema_whose_position_cannot_be_read_stops_no_other(
    migrating: Migrating, scripts: Path
) -> None:
    write_revision(scripts, "op.execute('DROP TABLE IF EXISTS made_before')")
    await migrating.execute("ALTER TABLE tenant_acme.alembic_version RENAME version_num TO other")

    assert await migrating.service.migrate() == ["acme"]
    assert "globex: migrated (2 of 2)" in migrating.lines
