"""No route admits whom it is not for, or tells or changes what is another tenant's; yours join by themselves.

Each is attacked (`tests/routes/attacks.py`) as one that admits whom it is meant to (`tests/routes/access.py`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Final
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from app.core.roles import Role
from app.core.settings import Settings
from app.main import create_app
from app.models.public.tenants import TenantStatus
from app.services.audit_trail import Actor, AuditTrail
from tests.factories import SignedIn
from tests.routes.access import MEMBER, access_of, demanded_by, described, paths_beside
from tests.routes.attacks import Attack, Siege, is_uuid, leaked
from tests.routes.intruders import Intruders, gathered
from tests.routes.requests import ROUTES, Call, World
from tests.routes.tables import table
from tests.sending import send

pytestmark = pytest.mark.thorough

NEWEST: Final = 20

type Rows = dict[str, tuple[int, int]]
"""Of each table how many rows it has, and the sum of the transactions that wrote them: a write changes one of both."""


@pytest.fixture(scope="module")
async def intruders(world: World) -> Intruders:
    """Whom, and which tokens, no route admits."""
    return await gathered(world)


@pytest.fixture
async def other(world: World) -> World:
    """People of globex and of a tenant of their own, with newer rows than anybody else's."""
    factory = world.factory
    owner = await factory.member("globex", Role.OWNER)
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


@pytest.fixture(scope="module")
async def kept(world: World, owner_connection: asyncpg.Connection) -> set[str]:
    """Ids of what globex has in its schema: whatever a POST makes there."""
    globex = replace(world, owner=await world.factory.member("globex", Role.OWNER))
    for name, route in ROUTES.items():
        if access_of(name) == MEMBER and route.status_code == HTTPStatus.CREATED:
            await answered(name, await globex.prepare(name))
    tables = await owner_connection.fetch(
        "SELECT conrelid::regclass::text, attname FROM pg_catalog.pg_constraint"
        " JOIN pg_catalog.pg_attribute ON attrelid = conrelid AND ARRAY[attnum] = conkey"
        " WHERE contype = 'p' AND connamespace = 'tenant_globex'::regnamespace"
        " AND atttypid = 'uuid'::regtype"
    )
    newest = [
        f"(SELECT {key}::text FROM {name} ORDER BY {key} DESC LIMIT {NEWEST})"  # noqa: S608  names of this database
        for name, key in tables
    ]
    return {id for (id,) in await owner_connection.fetch(" UNION ALL ".join(newest))}


def secrets_of(other: World, *ids: str | None) -> set[str]:
    people: tuple[SignedIn, ...] = (other.owner, other.user)
    known = {value for p in people for value in (str(p.user_id), str(p.session_id), p.email)}
    return known | {str(other.user.tenant)} | {id for id in ids if id}


async def faults_of(attacks: list[Attack], secrets: set[str]) -> list[str]:
    faults = []
    for attack in attacks:
        answer = await attack.call.send()
        leaks = leaked(secrets, attack.call, answer)
        fault = f"was told the other's {leaks}" if leaks else await attack.fault(answer)
        faults += [f"{attack.what} {fault}"] if fault else []
    return faults


async def answered(name: str, call: Call) -> httpx.Response:
    answer = await call.send()
    assert not answer.is_error, f"{answer.text}\nSay in REQUESTS what {name} needs."
    return answer


@pytest.mark.parametrize("name", [name for name in ROUTES if access_of(name) is not None])
async def test_a_route_admits_nobody_else(
    world: World,
    other: World,
    intruders: Intruders,
    rows: Callable[..., Awaitable[Rows]],
    kept: set[str],
    name: str,
    request: pytest.FixtureRequest,
) -> None:
    access = access_of(name)
    assert access is not None
    mine, theirs = await world.prepare(name), await other.prepare(name)
    is_read = mine.route.methods == {"GET"}
    made = await other.made_in(mine.route.path_format) if is_read else None
    secrets = kept | secrets_of(other, made, *theirs.path.values())
    attacks = await Siege(world, other, intruders).on(access, mine, theirs)
    before = await rows()
    faults = await faults_of(attacks, secrets)
    after = await rows()
    faults += [f"{table} was written" for table in after if after[table] != before[table]]
    assert not faults, "\n".join([f"{name}:", *faults])
    owned = [id for id in (*secrets_of(other), *theirs.path.values()) if is_uuid(id)]
    before = await rows(*owned)
    answer = await answered(name, mine)
    assert access.superuser or not leaked(secrets, mine, answer), answer.text
    assert await rows(*owned) == before, "What is allowed changed what is the other's."
    # The ids that were attacked are of rows that are there.
    await answered(name, theirs)
    # For whoever counts.
    request.node.user_properties.append((f"attacks on {described(access)}", len(attacks)))


@pytest.mark.parametrize("name", [name for name in ROUTES if access_of(name) is None])
async def test_a_public_route_answers_anybody_and_tells_nothing(
    world: World, other: World, name: str
) -> None:
    call = replace(await world.prepare(name), tenant=other.owner.tenant)
    answer = await answered(name, call)
    assert not leaked(secrets_of(other), call, answer), answer.text


async def test_what_is_served_beside_the_api_tells_nothing(
    app: FastAPI, client: httpx.AsyncClient, other: World
) -> None:
    for path in paths_beside(app):
        answer = await send(client, "GET", path, tenant=other.owner.tenant)
        assert not [secret for secret in secrets_of(other) if secret in answer.text], path


def test_routes_admit_whom_they_are_meant_to() -> None:
    wrong = [
        f"{name} admits {demanded_by(name)}, and is meant to admit {access_of(name)}."
        for name in ROUTES
        if demanded_by(name) != access_of(name)
    ]
    hint = "Change its parameters, or say in an ACCESS of tests/routes whom it is meant to admit."
    assert not wrong, "\n".join([*wrong, hint])


def test_what_is_served_beside_the_api_is_public_on_purpose(settings: Settings) -> None:
    known = table("ACCESS")
    apps = [
        create_app(settings.model_copy(update={"environment": environment}))
        for environment in ("test", "dev")
    ]
    unknown = {path for app in apps for path in paths_beside(app)} - known.keys()
    assert not unknown, "Say in an ACCESS of tests/routes that it is meant to be PUBLIC."


def test_only_routes_are_named() -> None:
    named = {name for name in table("ACCESS") if not name.startswith("/")}
    assert named <= ROUTES.keys()
