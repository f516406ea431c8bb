"""Who is admitted, and in which order the checks refuse (docs/multi-tenancy.md)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from types import ModuleType
from uuid import UUID

import fastapi
import httpx
import pytest
from fastapi import FastAPI, WebSocket
from sqlalchemy import delete, update
from sqlmodel import col

from app.api.dependencies.admission import OptionalUser
from app.api.routing import APIRouter, router_of
from app.core.db.revisions import tenant_heads
from app.core.errors import TenantNotMigrated
from app.core.identifiers import utcnow
from app.core.roles import Role
from app.core.security.access_tokens import AccessTokens
from app.core.settings import Settings
from app.main import create_app
from app.models.public.refresh_tokens import RefreshToken
from app.models.public.tenants import Tenant
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.users import User
from tests.factories import Factory, SignedIn
from tests.lifespan import started
from tests.sending import send

PATH = "/projects"


router = APIRouter(prefix="/visitors")

type Record = Callable[[list[str] | None], Awaitable[None]]


@router.get("")
async def greet(user: OptionalUser) -> UUID | None:
    return user.id if user else None


notes = APIRouter(prefix="/customers/{customer_id}/notes")


@notes.get("/{n}")
async def read_note(customer_id: str, n: int, _user: OptionalUser) -> tuple[str, int]:
    return customer_id, n


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def member(factory: Factory) -> SignedIn:
    """A member of acme."""
    return await factory.member("acme")


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer x", "Basic eDp5", "x", "Bearer a.b.c"]
)
async def test_with_a_malformed_token(client: httpx.AsyncClient, header: str) -> None:
    answer = await send(client, "GET", PATH, tenant="acme", headers={"Authorization": header})
    assert code(answer) == (401, "unauthenticated")


async def test_where_a_token_may_be_left_out_a_wrong_one_is_refused(
    settings: Settings, factory: Factory
) -> None:
    app = create_app(settings)
    app.include_router(router)
    transport, caller = httpx.ASGITransport(app), await factory.signed_in()
    async with (
        started(app),
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
    ):
        nobody = await client.get("/visitors")
        somebody = await client.get("/visitors", headers=bearer(caller.token))
        forger = await client.get("/visitors", headers=bearer(f"{caller.token}x"))
    assert (nobody.status_code, nobody.json()) == (200, None)
    assert somebody.json() == str(caller.user_id)
    assert code(forger) == (401, "unauthenticated")


async def test_a_token_by_another_key(member: SignedIn, app: FastAPI) -> None:
    settings = app.state.components.settings.auth
    forger = AccessTokens(
        settings.model_copy(update={"keys": {"test": type(settings.keys["test"])("x" * 48)}})
    )
    token, _ = forger.issue(user_id=member.user_id, session_id=member.session_id)
    answer = await member.get(PATH, headers={"Authorization": f"Bearer {token}"})
    assert code(answer) == (401, "unauthenticated")


async def test_a_removed_member_is_out_at_the_next_request(
    member: SignedIn, factory: Factory
) -> None:
    assert (await member.get(PATH)).status_code == 200
    async with factory.components.database.lobby() as lobby:
        await lobby.execute(
            delete(UserTenantMembership).where(col(UserTenantMembership.user_id) == member.user_id)
        )
    assert code(await member.get(PATH)) == (404, "tenant-not-found")


async def test_a_changed_role_counts_at_the_next_request(factory: Factory) -> None:
    admin = await factory.member("acme", Role.ADMIN)
    other = await factory.member("acme")
    project = (await other.post(PATH, {"name": f"of {other.user_id}"})).json()
    async with factory.components.database.lobby() as lobby:
        await lobby.execute(
            update(UserTenantMembership)
            .where(col(UserTenantMembership.user_id) == admin.user_id)
            .values(role=Role.MEMBER)
        )
    answer = await admin.delete(f"{PATH}/{project['id']}")
    assert code(answer) == (403, "role-required")
    assert (await admin.get(PATH)).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"spent_at": utcnow()},
        {"expires_at": utcnow() - timedelta(seconds=1)},
    ],
    ids=["spent without a successor", "expired"],
)
async def test_a_session_that_ended_is_out(
    member: SignedIn, factory: Factory, change: dict[str, object]
) -> None:
    async with factory.components.database.lobby() as lobby:
        await lobby.execute(
            update(RefreshToken)
            .where(col(RefreshToken.family_id) == member.session_id)
            .values(**change)
        )
    assert code(await member.get(PATH)) == (401, "unauthenticated")
    assert code(await member.get("/users/me")) == (401, "unauthenticated")


async def test_a_deleted_user_is_out(member: SignedIn, factory: Factory) -> None:
    async with factory.components.database.lobby() as lobby:
        await lobby.execute(delete(User).where(col(User.id) == member.user_id))
    assert code(await member.get(PATH)) == (401, "unauthenticated")


async def test_a_refused_request_is_not_validated(client: httpx.AsyncClient) -> None:
    answer = await send(client, "POST", PATH, tenant="acme", json={"name": 7})
    assert code(answer) == (401, "unauthenticated")


@pytest.fixture
async def recorded(factory: Factory) -> AsyncIterator[Record]:
    """What writes another list of migrations into acme's row, until the test ends."""
    acme = await factory.find_tenant("acme")

    async def record(migrations: list[str] | None) -> None:
        async with factory.components.database.lobby() as lobby:
            statement = update(Tenant).where(col(Tenant.id) == acme.id)
            await lobby.execute(statement.values(migrations=migrations))

    yield record
    await record(acme.migrations)


@pytest.mark.parametrize("left_out", tenant_heads())
async def test_a_schema_older_than_the_code_is_refused_and_the_lobby_is_not(
    factory: Factory, recorded: Record, left_out: str
) -> None:
    admin, other = await factory.member("acme", Role.ADMIN), await factory.member("globex")
    acme = await factory.find_tenant("acme")
    assert acme.migrations is not None
    await recorded([name for name in acme.migrations if name != left_out])

    answer = await admin.get(PATH)
    assert code(answer) == (503, "tenant-not-migrated")
    assert int(answer.headers["Retry-After"]) > 0
    assert code(await admin.post(PATH, {"name": "new"})) == (503, "tenant-not-migrated")
    with pytest.raises(TenantNotMigrated):
        async with factory.components.database.tenant(acme.id):
            pass
    assert (await admin.get("/members")).status_code == 200
    assert (await other.get(PATH)).status_code == 200


async def test_a_schema_newer_than_the_code_is_served(factory: Factory, recorded: Record) -> None:
    member, acme = await factory.member("acme"), await factory.find_tenant("acme")
    for migrations in ([*(acme.migrations or ()), "of_the_next_release"], None):
        await recorded(migrations)
        assert (await member.get(PATH)).status_code == 200


async def test_a_prefix_may_have_parameters(settings: Settings) -> None:
    app = create_app(settings)
    app.include_router(notes)
    transport = httpx.ASGITransport(app)
    async with (
        started(app),
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
    ):
        answer = await client.get("/customers/7a/notes/8")
    assert (answer.status_code, answer.json()) == (200, ["7a", 8])


async def _socket(_websocket: WebSocket) -> None: ...


def _with_a_socket() -> APIRouter:
    made = APIRouter(prefix="/mine")
    made.add_websocket_route("/mine/socket", _socket)
    return made


def _with_two_methods() -> APIRouter:
    made = APIRouter(prefix="/mine")
    made.api_route("", methods=["GET", "HEAD"])(lambda: None)
    return made


def _with_a_nested_router(nested: fastapi.APIRouter) -> APIRouter:
    made = APIRouter(prefix="/mine")
    made.include_router(nested)
    return made


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (fastapi.APIRouter(), "import APIRouter from app.api.routing"),
        (_with_a_socket(), "/mine/socket would admit nobody"),
        (_with_a_nested_router(router), "a router inside the router would admit nobody"),
        (_with_a_nested_router(fastapi.APIRouter()), "would admit nobody"),
        (_with_two_methods(), "/mine has several methods"),
    ],
    ids=["FastAPI's", "a socket of Starlette's", "nested", "FastAPI's, nested", "two methods"],
)
def test_what_would_admit_nobody_is_refused_at_the_start(
    refused: fastapi.APIRouter, said: str
) -> None:
    module = ModuleType("app.api.v1.mine")
    vars(module)["router"] = refused
    with pytest.raises(TypeError, match=f"app.api.v1.mine: .*{said}"):
        router_of(module)
