"""Behind PgBouncer in transaction mode, with a single connection that all share: what leaks there, and that nothing does."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.core.roles import Role
from app.core.settings import Settings
from app.dev.servers.base import running
from app.main import create_app
from tests import background, databases, outcomes
from tests.engines import TestedEngine
from tests.environments import environment_of
from tests.factories import Factory, SignedIn
from tests.lifespan import started
from tests.pooler import DOCUMENT, PgBouncer, documented
from tests.shell import Shell

pytestmark = pytest.mark.slow

MEMBERS = 4
"""Of each tenant."""
TURNS = 4


@pytest.fixture(scope="module")
async def separate(
    settings: Settings, admin_url: str, engine: TestedEngine
) -> AsyncIterator[Settings]:
    async with background.separate(settings, admin_url) as separate:
        yield engine.alone(separate)


@pytest.fixture(scope="module")
def pooler(separate: Settings) -> Iterator[PgBouncer]:
    with tempfile.TemporaryDirectory(prefix="tests-") as folder:
        Path(folder).chmod(0o755)
        pooler = PgBouncer(Path(folder) / "pgbouncer", separate.database)
        with running(pooler):
            yield pooler


@pytest.fixture(scope="module")
async def behind(separate: Settings, pooler: PgBouncer, admin_url: str) -> Settings:
    """Settings of a service behind the pooler, in a database that was set up as docs/deployment.md says."""
    target = pooler.target
    url = make_url(admin_url).set(database=target.database).render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    await connection.execute(
        f"ALTER ROLE {target.username} IN DATABASE \"{target.database}\" SET search_path = ''"
    )
    await connection.close()
    return separate.model_copy(update={"database": pooler.settings(separate.database)})


@pytest.fixture(scope="module")
async def served(behind: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(behind)
    async with started(app):
        yield app


@pytest.fixture(scope="module")
async def members(served: FastAPI) -> AsyncIterator[list[SignedIn]]:
    transport = httpx.ASGITransport(app=served, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        factory = Factory(served.state.components, client)
        slugs = databases.STANDING * MEMBERS
        yield [await factory.member(slug, Role.OWNER) for slug in slugs]


async def connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(url, statement_cache_size=0)


async def test_a_setting_of_the_session_leaks_to_the_next_client(pooler: PgBouncer) -> None:
    url = pooler.url_of(databases.OWNER)
    one, other = await connect(url), await connect(url)
    await one.execute(
        "INSERT INTO tenant_acme.projects (id, name, created_by, created_at, updated_at)"
        " VALUES (gen_random_uuid(), 'Acme''s secret', gen_random_uuid(), now(), now())"
    )
    with pytest.raises(asyncpg.UndefinedTableError):
        await other.fetch("SELECT name FROM projects")

    await one.execute("SET search_path TO tenant_acme")

    assert [row["name"] for row in await other.fetch("SELECT name FROM projects")] == [
        "Acme's secret"
    ]
    await one.execute("DELETE FROM projects; RESET search_path")
    for connection in (one, other):
        await connection.close()


async def test_requests_of_several_tenants_leak_nothing(
    members: list[SignedIn], served: FastAPI, pooler: PgBouncer
) -> None:
    stranger = await connect(pooler.url_of(databases.LOGIN))
    working, seen_between = asyncio.Event(), set()

    async def look_between() -> None:
        while not working.is_set():
            seen_between.add(await session_of(stranger))

    looking = asyncio.create_task(look_between())
    await asyncio.gather(*(create_and_list(n, member) for n, member in enumerate(members)))
    working.set()
    await looking

    # What a transaction sets ends with it: whoever comes next has no tenant. Nor is a statement left behind, which
    # another connection to PostgreSQL would not know.
    assert seen_between == {(databases.LOGIN, '""', "0", 0)}
    for member in members[: len(databases.STANDING)]:
        listed = await member.get("/projects?limit=100")
        assert len(listed.json()["items"]) == MEMBERS * TURNS
    # The service had several connections to the pooler, and the pooler one to PostgreSQL.
    assert served.state.components.database.pool.checkedin() > 1
    assert await backends(stranger) == 1
    await stranger.close()


async def create_and_list(number: int, member: SignedIn) -> None:
    for turn in range(TURNS):
        created = await member.post("/projects", {"name": f"{member.tenant} {number} {turn}"})
        assert created.status_code == 201, created.text
        listed = await member.get("/projects?limit=100")
        assert listed.status_code == 200, listed.text
        tenants = {project["name"].split()[0] for project in listed.json()["items"]}
        assert tenants == {member.tenant}


async def session_of(connection: asyncpg.Connection) -> tuple[str | int, ...]:
    # Without a transaction, the driver's two messages for a query could reach two sessions.
    async with connection.transaction():
        found = await connection.fetchrow(
            "SELECT current_user, current_setting('search_path'),"
            " current_setting('statement_timeout'), (SELECT count(*) FROM pg_prepared_statements)"
        )
    return tuple(found)


async def backends(connection: asyncpg.Connection) -> int:
    async with connection.transaction():
        count: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user"
        )
    return count


async def test_the_time_limits_hold_in_each_transaction(served: FastAPI, behind: Settings) -> None:
    async with served.state.components.database.lobby() as lobby:
        limits = await lobby.execute(
            text(
                "SELECT current_setting('statement_timeout')::interval, current_setting('lock_timeout')::interval"
            )
        )
    database = behind.database
    assert limits.one() == (database.statement_timeout, database.lock_timeout)


async def test_background_work_is_done(engine: TestedEngine, behind: Settings) -> None:
    async with background.working(behind) as work, engine.running(work, behind):
        requested = await background.request_tenant(work)
        await background.eventually(lambda: background.have_ended(work, requested.execution_id))
        await outcomes.assert_provisioned(work, requested)


def test_tenants_are_migrated(behind: Settings, tmp_path: Path) -> None:
    outcome = Shell(behind, environment_of(behind), tmp_path).run("migrate")
    assert outcome.code == 0, outcome.err


def test_the_document_says_what_was_tested(pooler: PgBouncer) -> None:
    kept = documented()["pgbouncer"]
    assert kept["pool_mode"] == "transaction"
    assert f"DATABASE__POOLER={pooler.environment()['DATABASE__POOLER']}" in DOCUMENT.read_text()
