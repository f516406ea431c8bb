"""What runs when a request's transaction has ended: its sessions are an error, and connections come back."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy import select, text, update
from sqlmodel import col
from structlog.testing import capture_logs

from app import main
from app.api import v1
from app.api.dependencies.admission import CurrentUser, ValidatedTenant
from app.api.dependencies.components import Components, ComponentsDep
from app.api.dependencies.sessions import (
    DBSession,
    DBSessionMaker,
    TenantDBSession,
    TenantDBSessionMaker,
)
from app.api.routing import APIRouter
from app.api.v1.projects import Projects
from app.core.db.unit_of_work import Side
from app.core.settings import Settings
from app.main import create_app
from app.models.public.users import User
from app.models.tenant.projects import Project
from app.schemas.base import NEWEST, PageRequest
from tests import background
from tests.factories import Factory, SignedIn
from tests.lifespan import started
from tests.sending import send

POOL = 2

router = APIRouter(prefix="/later")
kept: list[Any] = []
gate = asyncio.Event()
outcomes: list[str] = []


async def noted(work: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
    try:
        await work(*arguments)
    except Exception as exc:
        outcomes.append(f"{type(exc).__name__}: {exc}")
        raise
    outcomes.append("done")


@router.get("/task")
async def in_a_background_task(projects: Projects, tasks: BackgroundTasks) -> None:
    tasks.add_task(noted, projects.rows.find, uuid4())


@router.get("/stream")
async def in_a_stream(projects: Projects) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        await noted(projects.page, PageRequest(100, NEWEST))
        yield "never"

    return StreamingResponse(lines())


@router.get("/effect")
async def in_an_effect(session: TenantDBSession) -> None:
    session.after_commit(lambda: noted(session.scalar, select(Project)))


@router.get("/effect-of-an-effect")
async def in_an_effect_of_an_effect(session: TenantDBSession) -> None:
    async def effect() -> None:
        session.after_commit(effect)

    session.after_commit(lambda: noted(effect))


@router.get("/own-task")
async def in_a_task_of_its_own(session: TenantDBSession) -> None:
    async def read() -> None:
        await gate.wait()
        await noted(session.scalar, select(Project))

    kept.append(asyncio.create_task(read()))


@router.get("/orm")
async def by_a_session_of_the_orm(
    session: TenantDBSession, _tenant: ValidatedTenant, tasks: BackgroundTasks
) -> None:
    orm = await session.unit.orm(Side.TENANT)
    await orm.scalar(select(Project))
    tasks.add_task(noted, orm.scalar, select(Project))


@router.get("/lobby")
async def in_the_lobby(session: DBSession, user: CurrentUser, tasks: BackgroundTasks) -> None:
    statement = update(User).where(col(User.id) == user.id).values(full_name="Changed")
    tasks.add_task(noted, session.execute, statement)


MISUSES = ("task", "stream", "effect", "effect-of-an-effect", "own-task", "orm", "lobby")


@router.get("/export")
async def export(sessions: TenantDBSessionMaker) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        async with sessions.open() as session:
            names = await session.scalars(select(col(Project.name)))
        for name in names:
            yield f"{name}\n"

    return StreamingResponse(lines(), media_type="text/plain")


@router.get("/rename/{name}")
async def rename(
    sessions: DBSessionMaker, user: CurrentUser, name: str, session: DBSession
) -> None:
    async def effect() -> None:
        async with sessions.open() as later:
            await later.execute(update(User).where(col(User.id) == user.id).values(full_name=name))

    session.after_commit(lambda: noted(effect))


@router.get("/removed")
async def removed(
    sessions: TenantDBSessionMaker, session: DBSession, user: CurrentUser, tasks: BackgroundTasks
) -> None:
    async def task() -> None:
        async with sessions.open() as later:
            await later.scalar(select(Project))

    await session.execute(
        text("DELETE FROM public.user_tenant_membership WHERE user_id = :id").bindparams(id=user.id)
    )
    tasks.add_task(noted, task)


@router.get("/lost/{how}")
async def lost(components: ComponentsDep, _tenant: ValidatedTenant, how: str) -> None:
    if how == "unit":
        unit = components.database.unit()
        entered = await unit.__aenter__()
        kept.append(unit)
        await entered.fetch(Side.LOBBY, "SELECT 1", [])
    elif how == "engine":
        kept.append(await components.database.engine.connect())
    else:
        kept.append(await components.database.engine.raw_connection())


@router.get("/long/{returns}")
async def long(components: ComponentsDep, _tenant: ValidatedTenant, returns: bool) -> None:
    async def work() -> None:
        unit = components.database.unit()
        entered = await unit.__aenter__()
        await entered.fetch(Side.LOBBY, "SELECT 1", [])
        await gate.wait()
        await noted(entered.fetch, Side.LOBBY, "SELECT 2", [])
        kept.append(unit)
        if returns:
            await unit.__aexit__(None, None, None)

    kept.append(asyncio.create_task(work()))


class Service:
    """An application with these routes and a small pool."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient, member: SignedIn) -> None:
        self.client = client
        self.member = member
        self.components: Components = app.state.components

    async def get(self, path: str, tenant: str | None = "acme") -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.member.token}"}
        path = f"/later/{path}"
        return await send(self.client, "GET", path, tenant=tenant, headers=headers)

    @property
    def used(self) -> int:
        return self.components.database.pool.checkedout()


@asynccontextmanager
async def served(settings: Settings, factory: Factory) -> AsyncIterator[Service]:
    database = settings.database.model_copy(update={"pool_size": POOL, "max_overflow": 0})
    app = create_app(settings.model_copy(update={"database": database}))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        started(app),
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
    ):
        yield Service(app, client, await factory.member("acme"))


@pytest.fixture(autouse=True)
def routes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the routes of this file served as well."""
    mounting = sys.modules[vars(main)["mount"].__module__]
    monkeypatch.setattr(mounting, "routers", lambda: [*v1.routers(), router])
    yield
    kept.clear()
    outcomes.clear()
    gate.clear()


@pytest.fixture
async def service(settings: Settings, factory: Factory) -> AsyncIterator[Service]:
    async with served(settings, factory) as service:
        yield service


@pytest.mark.parametrize("misuse", MISUSES)
async def test_a_session_of_an_ended_transaction_is_an_error_and_takes_nothing(
    service: Service, misuse: str
) -> None:
    for _ in range(POOL + 1):
        await service.get(misuse, tenant=None if misuse == "lobby" else "acme")
    gate.set()
    await asyncio.gather(*kept, return_exceptions=True)

    assert len(outcomes) == POOL + 1
    assert all(outcome.startswith("SessionEnded: ") for outcome in outcomes), outcomes
    assert "After the response" in outcomes[0]
    assert service.used == 0
    assert (await service.get("export")).status_code == 200
    async with service.components.database.lobby() as lobby:
        query = select(col(User.full_name)).where(col(User.id) == service.member.user_id)
        assert await lobby.scalar(query) != "Changed"


async def test_what_goes_on_opens_sessions_of_the_same_tenant_and_caller(
    service: Service, factory: Factory
) -> None:
    name = str(uuid4())
    tenant = await _tenant_of(service)
    for tenant_id, named in ((tenant, name), (await _tenant_of(service, "globex"), f"not {name}")):
        async with service.components.database.tenant(tenant_id) as session:
            await session.add(Project(name=named, created_by=uuid4()))

    lines = (await service.get("export")).text.splitlines()

    assert name in lines
    assert f"not {name}" not in lines

    await service.get(f"rename/{name}", tenant=None)
    assert outcomes == ["done"]
    async with service.components.database.lobby() as lobby:
        query = select(col(User.full_name)).where(col(User.id) == service.member.user_id)
        assert await lobby.scalar(query) == name
    assert service.used == 0


async def test_who_is_removed_meanwhile_gets_nothing_more(service: Service) -> None:
    await service.get("removed")
    [outcome] = outcomes
    assert outcome.startswith("TenantNotFound")
    assert service.used == 0


@pytest.mark.parametrize("how", ["unit", "engine", "raw"])
async def test_a_connection_that_a_request_loses_comes_back(service: Service, how: str) -> None:
    with capture_logs() as log:
        for _ in range(POOL + 1):
            assert (await service.get(f"lost/{how}")).status_code == 200
    assert service.used == 0
    assert len(kept) == POOL + 1, "somebody still has them"

    entries = [entry for entry in log if entry["event"] == "connection lost"]
    assert len(entries) == POOL + 1
    assert entries[0]["route"].endswith("/later/lost/{how}")
    assert entries[0]["tenant"] == "acme"
    assert entries[0]["user_id"] == str(service.member.user_id)
    metrics = (await service.client.get("/metrics")).text
    [counted] = [line for line in metrics.splitlines() if line.startswith("db_connections_lost_t")]
    assert counted.endswith(f" {POOL + 1}.0")
    assert (await service.get("export")).status_code == 200


@pytest.mark.parametrize("returns", [True, False])
async def test_a_task_keeps_its_connection_as_long_as_it_runs(
    service: Service, returns: bool
) -> None:
    with capture_logs() as log:
        await service.get(f"long/{returns}")
        assert service.used == 1
        gate.set()
        await kept[0]
        await background.eventually(_nothing_is_used_by(service))
    assert outcomes == ["done"]
    lost = [entry for entry in log if entry["event"] == "connection lost"]
    assert len(lost) == (0 if returns else 1)


async def _tenant_of(service: Service, slug: str = "acme") -> Any:
    query = text("SELECT id FROM public.tenants WHERE slug = :slug").bindparams(slug=slug)
    async with service.components.database.lobby() as lobby:
        return (await lobby.execute(query)).scalar_one()


def _nothing_is_used_by(service: Service) -> Any:
    async def check() -> bool:
        return service.used == 0

    return check


async def test_a_full_pool_is_told_from_a_database_that_is_gone(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def probes() -> list[tuple[int, str]]:
        answers = [await service.client.get(f"/health/{probe}") for probe in ("ready", "live")]
        return [(answer.status_code, answer.json()["status"]) for answer in answers]

    database, now = service.components.database, monotonic()
    async with AsyncExitStack() as stack:
        for _ in range(POOL):
            unit = await stack.enter_async_context(database.unit())
            await unit.fetch(Side.LOBBY, "SELECT 1", [])
        assert await probes() == [(200, "ok"), (200, "ok")], "full, and nobody has waited in vain"
        monkeypatch.setattr(database._checkout, "_patience_seconds", 0.01)
        assert (await service.get("export")).status_code == 503
        assert await probes() == [(200, "degraded"), (200, "ok")]
        assert (await service.client.get("/health/ready")).json()["pool"] == "exhausted"

        limit = service.components.settings.database.statement_timeout.total_seconds() + 60
        monkeypatch.setattr("app.core.db.checkout.monotonic", lambda: now + limit + 1)
        assert await probes() == [(200, "degraded"), (503, "stuck")]
    assert await probes() == [(200, "ok"), (200, "ok")]
