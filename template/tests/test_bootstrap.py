"""PostgreSQL as managed servers give it: an administrator with CREATEROLE and CREATEDB, and no superuser."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from app.core.settings import Settings
from tests import background, databases
from tests.shell import Outcome, Shell

pytestmark = pytest.mark.slow


@pytest.fixture
async def administrator(admin_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The URL of such a role, whose roles and databases no other test uses."""
    suffix = secrets.token_hex(6)
    for name in ("OWNER", "LOGIN"):
        monkeypatch.setattr(databases, name, f"lobby_test_{name.lower()}_{suffix}")
    monkeypatch.setattr(databases, "_fingerprint", lambda: suffix)
    role, template = f"lobby_test_admin_{suffix}", f"lobby_test_{suffix}"
    connection = await asyncpg.connect(admin_url)
    await connection.execute(f"CREATE ROLE {role} LOGIN CREATEROLE CREATEDB PASSWORD '{suffix}'")
    parts = make_url(admin_url).set(username=role, password=suffix)
    url = parts.render_as_string(hide_password=False)
    yield url
    if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", template):
        await databases.drop(url, template)
    own = await asyncpg.connect(url)
    for name in (databases.LOGIN, databases.OWNER):
        # Fails if anything is left, the roles of tenants too.
        await own.execute(f"DROP OWNED BY {name}")
        await own.execute(f"DROP ROLE {name}")
    await own.close()
    await connection.execute(f"DROP ROLE {role}")
    await connection.close()


async def test_all_of_a_services_life_takes_no_superuser(
    settings: Settings, administrator: str
) -> None:
    async with (
        background.separate(settings, administrator) as separate,
        background.working(separate) as work,
    ):
        ready = await background.ready_tenant(work)
        async with work.database.tenant(ready.tenant_id):
            pass
        async with work.database.lobby() as lobby:
            await background.lifecycle(lobby, separate).delete(ready.tenant_id)
        deletion = (await background.executions_of(work, ready.tenant_id))[-1].id
        due_at = await work.deletion.due_at(deletion)
        assert due_at is not None
        await work.deletion.drop(deletion, due_at)


async def test_the_command_makes_what_is_missing_and_changes_nothing_else(
    shell: Shell, administrator: str
) -> None:
    name = f"lobby_test_{secrets.token_hex(6)}"
    database = databases.settings_for(administrator, name)
    assert database.owner_url is not None
    urls = {
        "DATABASE__URL": database.url.get_secret_value(),
        "DATABASE__OWNER_URL": database.owner_url.get_secret_value(),
    }

    def run(**more: str) -> Outcome:
        return shell.run("bootstrap", **urls, **more)

    assert (await asyncio.to_thread(run)).err.startswith("DATABASE__ADMIN_URL is not set")
    try:
        made = await asyncio.to_thread(run, DATABASE__ADMIN_URL=administrator)
        assert made.out.splitlines() == [
            f"role {databases.OWNER}: created",
            f"role {databases.LOGIN}: created",
            f"database {name}: created",
        ]
        again = await asyncio.to_thread(run, DATABASE__ADMIN_URL=administrator)
        assert again.out == "Everything is there already.\n"
    finally:
        await databases.drop(administrator, name)
