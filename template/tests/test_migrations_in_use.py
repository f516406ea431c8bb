"""What `app migrate` does where others use the tables."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from app.core.db.owner import connection_of
from app.services.migration_service import MigrationRefused
from tests import background
from tests.migrating import Migrating, write_revision

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def scripts(own_migrations: Path) -> Path:
    """No test comes near the migrations of the service."""
    return own_migrations


ADD_COLUMN = "op.add_column('projects', sa.Column('note', sa.Text()))"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that waits for tables as briefly as a test can see."""
    monkeypatch.setattr("app.services.migration_service._LOCK_TIMEOUT", timedelta(seconds=0.1))


@asynccontextmanager
async def reading(migrating: Migrating, table: str) -> AsyncIterator[None]:
    """Have a transaction open that has read a table."""
    async with migrating.owner.lobby() as session:
        await (await connection_of(session)).execute(text(f"SELECT FROM {table}"))
        yield


@pytest.mark.usefixtures("impatient")
async def test_a_table_that_is_in_use_is_come_back_to_and_keeps_nobody_waiting(
    migrating: Migrating, scripts: Path
) -> None:
    write_revision(scripts, ADD_COLUMN)

    async def is_put_off() -> bool:
        return "acme: a table is in use, tried again later" in migrating.lines

    async with reading(migrating, "tenant_acme.projects"):
        running = asyncio.create_task(migrating.service.migrate())
        await background.eventually(is_put_off)
        # Behind a migration that waits, this would wait as well.
        await migrating.execute("SELECT FROM tenant_acme.projects")

    assert await running == []
    assert migrating.lines[-3:] == [
        "globex: migrated (2 of 2)",
        "acme: migrated (1 of 2)",
        "tenants: 2 migrated, 0 up to date, 0 failed",
    ]


@pytest.mark.usefixtures("impatient")
async def test_a_table_that_stays_in_use_is_reported(
    migrating: Migrating, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.migration_service._PAUSES", (timedelta(),))
    write_revision(scripts, ADD_COLUMN)

    async with reading(migrating, "tenant_acme.projects"):
        assert await migrating.service.migrate() == ["acme"]
    *_, failure = [line for line in migrating.lines if line.startswith("acme")]
    assert failure.startswith("acme: FAILED, LockNotAvailableError")
    assert migrating.lines[-1] == "tenants: 1 migrated, 0 up to date, 1 failed"

    write_revision(
        scripts, "op.add_column('users', sa.Column('note', sa.Text()), schema='public')", "public"
    )
    async with reading(migrating, "public.users"):
        with pytest.raises(MigrationRefused, match="stays in use"):
            await migrating.service.migrate()
