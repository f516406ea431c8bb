"""No route admits whom it is not for, or tells or changes what is another tenant's; yours join by themselves.

Each is attacked (`tests/routes/attacks.py`) as one that admits whom it is meant to (`tests/routes/access.py`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Final
from uuid import UUID

import asyncpg
import httpx
import pytest
from uvicorn.server import ServerState

from app.core.roles import Role
from app.core.settings import Settings
from app.main import create_app
from app.models.public.tenants import TenantStatus
from app.services.audit_trail import Actor, AuditTrail
from tests.factories import SignedIn
from tests.http_server import served
from tests.mailbox import Mailbox
from tests.routes.access import access_of, described, paths_beside
from tests.routes.attacks import Attack, Siege, is_uuid
from tests.routes.content import UNIQUE, Foreign, content_of
from tests.routes.intruders import Intruders, gathered
from tests.routes.requests import ALL, ROUTES, SOCKETS, Call, World, world_of
from tests.routes.rounds import TwoTenants
from tests.routes.tables import place_of, table
from tests.sending import send

pytestmark = pytest.mark.thorough

ASKED_IN_TURN: Final = [
    name for name in ROUTES if not ((access := access_of(name)) and access.superuser)
]
"""A superuser is told of every tenant."""

type Rows = dict[str, tuple[int, int]]
"""Of each table how many rows it has, and the sum of the transactions that wrote them: a write changes one of both."""


@pytest.fixture(scope="module")
async def world(separate: Settings) -> AsyncIterator[World]:
    """People of acme, of the lobby and of the platform, in a database that no other test fills."""
    async with world_of(separate) as world:
        yield world


@pytest.fixture(scope="module")
async def owner_connection(separate: Settings) -> AsyncIterator[asyncpg.Connection]:
    """The DDL role, who sees the tables of the lobby and of every tenant."""
    assert separate.database.owner_url is not None
    connection = await asyncpg.connect(separate.database.owner_url.get_secret_value())
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def two(world: World, owner_connection: asyncpg.Connection) -> TwoTenants:
    """acme and globex, whose every row is marked."""
    return await TwoTenants.of(world, owner_connection)


@pytest.fixture(scope="module")
async def moved(two: TwoTenants) -> dict[str, str]:
    """What changes of acme's answers when globex gets rows, by route."""
    reads = [name for name in ASKED_IN_TURN if ROUTES[name].methods == {"GET"}]
    return await two.moved([name for name in reads if access_of(name) is not None])


@pytest.fixture(scope="module")
async def intruders(world: World) -> Intruders:
    """Whom, and which tokens, no route admits."""
    return await gathered(world)


@pytest.fixture
async def other(world: World, two: TwoTenants) -> World:
    """People of globex and of a tenant of their own, with newer rows than anybody else's."""
    factory = world.factory
    owner = await factory.member(str(two.theirs.owner.tenant), Role.OWNER)
    tenant = await factory.tenant(status=TenantStatus.READY)
    claims = world.components.access_tokens.verify(owner.token)
    async with world.components.database.lobby() as lobby:
        trail = AuditTrail(lobby, Actor(user_id=owner.user_id, tenant_id=claims.tenant_id))
        await trail.record("tests.acted", "user", owner.user_id)
    return replace(world, owner=owner, user=await factory.member(tenant.slug, Role.OWNER))


@pytest.fixture(scope="module")
async def rows(owner_connection: asyncpg.Connection) -> Callable[..., Awaitable[Rows]]:
    """What every table has now; with ids, the rows alone that hold one of them, and all of globex."""
    tables = await owner_connection.fetch(
        """
        SELECT format('%I.%I', nspname, relname), nspname = 'tenant_globex',
               coalesce(string_agg(quote_ident(attname), ', ') FILTER (WHERE atttypid = 'uuid'::regtype), 'NULL')
        FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
        JOIN pg_catalog.pg_attribute ON attrelid = pg_class.oid AND attnum > 0
        WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema') GROUP BY 1, 2
        """
    )
    counts = " UNION ALL ".join(
        f"SELECT '{name}', count(*), coalesce(sum(xmin::text::bigint), 0) FROM {name}"  # noqa: S608  names of this database
        f" WHERE $1::uuid[] IS NULL OR {is_globex} OR $1 && ARRAY[{ids}]::uuid[]"
        for name, is_globex, ids in tables
    )

    async def now(*ids: str) -> Rows:
        found = await owner_connection.fetch(counts, [UUID(id) for id in ids] or None)
        return {name: (count, written) for name, count, written in found}

    return now


def secrets_of(other: World, *ids: str | None) -> set[str]:
    people: tuple[SignedIn, ...] = (other.owner, other.user)
    known = {value for p in people for value in (str(p.user_id), str(p.session_id), p.email)}
    return known | {str(other.user.tenant)} | {id for id in ids if id and UNIQUE.search(id)}


async def faults_of(attacks: list[Attack], foreign: Foreign, secrets: set[str]) -> list[str]:
    faults = []
    for attack in attacks:
        answer = await attack.call.send()
        leaks = foreign.told(attack.call, answer, also=secrets)
        fault = f"was told the other's {leaks}" if leaks else await attack.fault(answer)
        faults += [f"{attack.what} {fault}"] if fault else []
    return faults


async def answered(name: str, call: Call) -> httpx.Response:
    answer = await call.send()
    assert not answer.is_error, f"{name}: {answer.text}"
    return answer


@pytest.mark.parametrize("name", [name for name in ROUTES if access_of(name) is not None])
async def test_a_route_admits_nobody_else(
    world: World,
    other: World,
    intruders: Intruders,
    rows: Callable[..., Awaitable[Rows]],
    two: TwoTenants,
    name: str,
    request: pytest.FixtureRequest,
) -> None:
    access = access_of(name)
    assert access is not None
    mine, theirs = await world.prepare(name), await other.prepare(name)
    is_read = mine.route.methods == {"GET"}
    made = await other.made_in(mine.route.path_format) if is_read else None
    secrets = secrets_of(other, made, *theirs.path.values())
    foreign = two.secret if access.superuser else two.foreign[0]
    if is_read:
        # So that it is remembered, if anything is.
        await answered(name, theirs)
    attacks = await Siege(world, other, intruders).on(access, mine, theirs)
    before = await rows()
    faults = await faults_of(attacks, two.foreign[0], secrets)
    after = await rows()
    faults += [f"{table} was written" for table in after if after[table] != before[table]]
    assert not faults, "\n".join([f"{name}:", *faults])
    owned = [id for id in (*secrets_of(other), *theirs.path.values()) if is_uuid(id)]
    before = await rows(*owned)
    answer = await answered(name, mine)
    told = foreign.told(mine, answer, also=() if access.superuser else secrets)
    assert not told, f"was told {told}: {answer.text}"
    assert await rows(*owned) == before, "What is allowed changed what is the other's."
    # The ids that were attacked are of rows that are there.
    await answered(name, theirs)
    # For whoever counts.
    request.node.user_properties.append((f"attacks on {described(access)}", len(attacks)))


async def test_sockets_admit_nobody_else(
    world: World, other: World, intruders: Intruders, two: TwoTenants
) -> None:
    async with served(world.app, ServerState()) as port:
        for name in SOCKETS:
            access, mine = access_of(name), await world.prepare_socket(name, port)
            if access is not None:
                theirs = await other.prepare_socket(name, port)
                attacks = await Siege(world, other, intruders).on(access, mine, theirs)
                faults = await faults_of(attacks, two.foreign[0], secrets_of(other))
                assert not faults, "\n".join([f"{name}:", *faults])
            await answered(name, mine)


async def test_there_are_rows_of_every_kind_to_tell_of(two: TwoTenants) -> None:
    for rows in two.rows:
        without = [each.name for _, each in rows.tables() if not rows.made.get(each.name)]
        assert not without, "Say in a ROWS of tests/resources what their rows need."


@pytest.mark.parametrize("name", ASKED_IN_TURN)
async def test_an_answer_holds_nothing_of_another_tenant(
    two: TwoTenants, moved: dict[str, str], rows: Callable[..., Awaitable[Rows]], name: str
) -> None:
    access, keys = access_of(name), await two.keys(name)
    owned = (str(two.theirs.owner.user_id), str(two.rows[1].tenant_id))
    faults = await two.faults_in_turns(name)
    if access is not None:
        faults += await two.faults_of_roles(name, access)
    # A mail that is still to be sent writes into the row of its token.
    await Mailbox(two.mine.components).of("")
    before = await rows(*owned)
    faults += await two.faults_of_names(name, keys)
    if await rows(*owned) != before:
        faults.append("naming the other tenant changed what is the other's")
    if name in moved:
        faults.append(f"when another tenant gets rows, what changes is {moved[name]}")
    assert not faults, "\n".join([f"{name}:", *faults])


async def test_what_is_served_beside_the_api_tells_nothing(world: World, two: TwoTenants) -> None:
    for path in paths_beside(world.app):
        answer = await send(world.client, "GET", path, tenant=two.theirs.owner.tenant)
        assert not [text for text in two.foreign[0].texts if text in content_of(answer)], path


def test_what_is_served_beside_the_api_is_public_on_purpose(settings: Settings) -> None:
    known = table("ACCESS")
    apps = [
        create_app(settings.model_copy(update={"environment": environment}))
        for environment in ("test", "dev")
    ]
    unknown = {path for app in apps for path in paths_beside(app)} - known.keys()
    said = dict.fromkeys(sorted(unknown), "PUBLIC")
    assert not unknown, f"If all may see it, add to {place_of('app.main')}: ACCESS = {said}"


def test_only_routes_are_named() -> None:
    named = {name for name in table("ACCESS") if not name.startswith("/")}
    assert named <= ALL.keys()
