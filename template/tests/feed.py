"""A socket and streams of events as a team writes them, and a service that has them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI, Request, WebSocket
from fastapi.sse import EventSourceResponse
from sqlalchemy import delete
from sqlmodel import col
from uvicorn.server import ServerState

from app.api.dependencies.admission import AdminUser, CurrentUser, OptionalUser, ValidatedTenant
from app.api.dependencies.components import ComponentsDep
from app.api.dependencies.sessions import TenantDBSessionMaker
from app.api.live import LiveConnections
from app.api.routing import APIRouter
from app.core.settings import Settings
from app.main import create_app
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.tenant.projects import Project
from app.repositories.base import ShownRows
from app.schemas.base import NEWEST, PageRequest
from app.schemas.projects import ProjectRead
from app.services.project_service import ProjectNameTaken
from tests.factories import Factory, SignedIn
from tests.http_server import served
from tests.lifespan import started
from tests.patience import PATIENCE_SECONDS
from tests.sending import address

router = APIRouter(prefix="/tests-feed")


@router.websocket("/names")
async def names(websocket: WebSocket, sessions: TenantDBSessionMaker, _user: CurrentUser) -> None:
    await websocket.accept()
    async for word in websocket.iter_text():
        if word == "crash":
            raise RuntimeError("secret detail")
        if word == "conflict":
            raise ProjectNameTaken
        async with sessions.open() as session:
            page = await ShownRows(session, Project, ProjectRead).page(PageRequest(100, NEWEST))
        await websocket.send_json([project.name for project in page.items])


@router.websocket("/rooms/{room_id}")
async def room(websocket: WebSocket, room_id: UUID, _admin: AdminUser) -> None:
    await websocket.accept(subprotocol="chat.v1")
    await websocket.send_text(str(room_id))


@router.websocket("/open")
async def open_to_all(websocket: WebSocket, user: OptionalUser) -> None:
    await websocket.accept()
    await websocket.send_json(user and str(user.id))
    await asyncio.Event().wait()


@router.websocket("/waits")
async def waits(websocket: WebSocket, tenant: ValidatedTenant) -> None:
    await websocket.accept()
    await websocket.send_text(tenant.slug)
    await asyncio.Event().wait()


@router.get("/ticks", response_class=EventSourceResponse)
async def ticks(tenant: ValidatedTenant) -> AsyncIterator[str]:
    yield tenant.slug
    await asyncio.Event().wait()


@router.get("/removed", response_class=EventSourceResponse)
async def removed(
    sessions: TenantDBSessionMaker, user: CurrentUser, components: ComponentsDep
) -> AsyncIterator[list[str]]:
    yield []
    async with components.database.lobby() as lobby:
        of_user = col(UserTenantMembership.user_id) == user.id
        await lobby.execute(delete(UserTenantMembership).where(of_user))
    async with sessions.open():
        yield ["never"]


async def agent(request: Request) -> str:
    return request.headers["user-agent"]


@dataclass(frozen=True, slots=True)
class Service:
    app: FastAPI
    port: int
    state: ServerState
    factory: Factory

    @property
    def used(self) -> int:
        return int(self.app.state.components.database.pool.checkedout())

    def count(self, kind: str) -> int:
        live: LiveConnections = self.app.state.live
        return live._open[kind]

    def end(self) -> None:
        for connection in list(self.state.connections):
            connection.shutdown()

    async def has(self, kind: str, count: int) -> bool:
        return self.count(kind) == count

    async def logged(self, logs: list[Any]) -> bool:
        return any(line["event"] == "request" for line in logs)

    @asynccontextmanager
    async def stream(self, path: str, caller: SignedIn) -> AsyncIterator[httpx.Response]:
        url, named = address("GET", path, caller.tenant)
        headers = {"Authorization": f"Bearer {caller.token}", **named}
        base = f"http://127.0.0.1:{self.port}"
        async with (
            httpx.AsyncClient(base_url=base, timeout=PATIENCE_SECONDS) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            yield answer


@asynccontextmanager
async def serving(settings: Settings, **live: Any) -> AsyncIterator[Service]:
    changed = settings.live.model_copy(update=live)
    app = create_app(settings.model_copy(update={"live": changed}))
    state, size = ServerState(), changed.max_message_bytes
    async with (
        started(app),
        served(app, state, ws_max_size=size) as port,
        httpx.AsyncClient() as client,
    ):
        yield Service(app, port, state, Factory(app.state.components, client))
