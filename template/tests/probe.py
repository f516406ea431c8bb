"""A small application behind the service's own middlewares, for tests that need no database."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Body, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from app.api import problems
from app.api.context.request_context import RequestContext
from app.api.middlewares.request_tracking import RunningRequests
from app.api.middlewares.stack import stack
from app.core.db.unit_of_work import LazyLoad
from app.core.errors import NotFound, TenantNotReady, Unavailable
from app.core.logging import configure_logging
from app.core.metrics import Metrics
from app.core.settings import LoggingSettings, Settings
from app.services.project_service import ProjectNameTaken
from tests.lifespan import started


class Item(BaseModel):
    name: str = Field(min_length=2)
    password: str = Field(default="", max_length=8)


class Nested(BaseModel):
    items: list[Item]


class Gate:
    """Holds requests until a test lets them go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()


router = APIRouter(prefix="/items")


@router.get("")
async def listed(limit: Annotated[int, Query(le=100)] = 50) -> int:
    return limit


@router.post("", status_code=201, responses=problems.problems(ProjectNameTaken, NotFound))
async def created(item: Item) -> Item:
    return item


@router.post("/nested")
async def nested(body: Nested) -> int:
    return len(body.items)


@router.get("/{item_id}", responses=problems.problems(NotFound))
async def one(item_id: int) -> int:
    if item_id == 0:
        raise NotFound("There is no item 0.")
    return item_id


@router.delete("/{item_id}", status_code=204)
async def removed(item_id: int) -> None:
    return None


other = APIRouter()


@other.get("/crash")
async def crash() -> None:
    raise RuntimeError("secret detail for owner@acme.test")


@other.get("/lazy")
async def lazy() -> None:
    raise LazyLoad("Shelf.books")


@other.get("/stream-crash")
async def stream_crash() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("in the middle")

    return StreamingResponse(chunks())


@other.get("/held")
async def held(request: Request) -> str:
    gate: Gate = request.app.state.gate
    gate.entered.set()
    await gate.opened.wait()
    return "done"


@other.get("/whoami")
async def whoami(request: Request) -> dict[str, str | None]:
    context = RequestContext.of(request.scope)
    return {
        "request_id": context.request_id,
        "address": context.client_address,
        "user_agent": context.user_agent,
    }


@other.get("/busy")
async def busy() -> None:
    raise TenantNotReady


async def refuse(error: Exception) -> None:
    raise error


@other.get("/together")
async def together(*, broken: bool = False) -> None:
    async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as inner:
        inner.create_task(refuse(NotFound()))
        outer.create_task(refuse(RuntimeError() if broken else NotFound()))


@other.get("/down")
async def down() -> None:
    raise Unavailable from OSError("connection refused for owner@acme.test")


@other.get("/teapot")
async def teapot() -> None:
    raise HTTPException(418)


@other.get("/strict")
async def strict(x_count: Annotated[int, Header()]) -> int:
    return x_count


@other.post("/raw")
async def raw(request: Request) -> int:
    return len(await request.body())


@other.post("/text")
async def text(body: Annotated[str, Body(max_length=3)]) -> str:
    return body


@other.get("/cached")
async def cached() -> Response:
    return Response("x", headers={"Cache-Control": "max-age=60"})


@other.get("/health/live")
async def live() -> str:
    return "ok"


@other.get("/docs-like")
async def docs_like() -> str:
    return "ok"


class Probe:
    """The application and what it was built from."""

    def __init__(self, settings: Settings) -> None:
        self.log = io.StringIO()
        configure_logging(LoggingSettings(level="debug"), self.log)
        self.settings = settings
        self.metrics = Metrics()
        self.running = RunningRequests()
        self.app = FastAPI(middleware=stack(settings, metrics=self.metrics, running=self.running))
        problems.install(self.app)
        self.app.include_router(router, prefix="/api/v1")
        self.app.include_router(other)
        self.app.state.gate = Gate()

    @asynccontextmanager
    async def started(self) -> AsyncIterator[None]:
        """Run the application's lifespan around the `with`."""
        async with started(self.app):
            yield

    def logged(self) -> list[dict[str, Any]]:
        """Return what requests have logged; the client does so as well, and work beside this test."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if "request_id" in line]

    def client(self, address: str = "127.0.0.1") -> httpx.AsyncClient:
        """Return a client that connects from `address`."""
        transport = httpx.ASGITransport(app=self.app, client=(address, 50000))
        return httpx.AsyncClient(transport=transport, base_url="http://testserver")
