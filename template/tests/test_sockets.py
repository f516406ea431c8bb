"""A socket and a stream as a team writes them: admitted as routes are, cut off, limited, ended with the process."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from types import ModuleType
from typing import Annotated, Any, Final
from uuid import uuid4

import httpx
import pytest
from fastapi import BackgroundTasks, Depends, WebSocket
from fastapi.sse import EventSourceResponse
from sqlalchemy import delete, update
from sqlmodel import col
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from app import main
from app.api import sockets, v1
from app.api.routing import APIRouter, router_of
from app.api.v1.projects import Projects
from app.core.identifiers import utcnow
from app.core.logging import configure_logging
from app.core.roles import Role
from app.core.settings import Settings
from app.models.public.refresh_tokens import RefreshToken
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.tenant.projects import Project
from tests import background
from tests.factories import Factory, SignedIn
from tests.feed import Service, agent, router, serving
from tests.patience import PATIENCE_SECONDS
from tests.sending import LOBBY_REFUSAL, SPOKEN, address
from tests.sockets import answer_of, opened

type Change = Callable[[Factory, SignedIn], Awaitable[None]]


@pytest.fixture(autouse=True)
def routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the routes of this file served as well."""
    mounting = sys.modules[vars(main)["mount"].__module__]
    monkeypatch.setattr(mounting, "routers", lambda: [*v1.routers(), router])


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """Served as `app api` does, with the defaults."""
    async with serving(settings) as service:
        yield service


def naming(tenant: str) -> dict[str, str]:
    _, headers = address("WEBSOCKET", "/tests-feed/names", tenant)
    return {name: value for name, value in headers.items() if name != "Host"}


def first_message(member: SignedIn) -> dict[str, str]:
    named = naming(str(member.tenant))
    return {"bearer": member.token} | {name: named[header] for header, name in SPOKEN.items()}


async def asked(socket: ClientConnection, word: str = "names") -> Any:
    await socket.send(word)
    return json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_SECONDS))


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def refusal(port: int, path: str = "/tests-feed/names", **options: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(port, path, **options):
            pass
    answer = refused.value.response
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"]
    return answer.status_code, json.loads(answer.body)["type"].removeprefix("/problems/")


async def gone(service: Service) -> None:
    async def none() -> bool:
        return not service.count("socket") and not service.count("stream") and not service.used

    await background.eventually(none)


async def test_it_reads_its_tenant_and_keeps_no_connection(service: Service) -> None:
    mark = uuid4().hex
    members = [await service.factory.member(tenant) for tenant in ("acme", "globex")]
    for member in members:
        tenant = await service.factory.find_tenant(str(member.tenant))
        async with service.factory.components.database.tenant(tenant.id) as session:
            name = f"{mark} of {member.tenant}"
            await session.add(Project(name=name, created_by=member.user_id))
    async with AsyncExitStack() as stack:
        for member in members * 2:
            opening = opened(
                service.port, "/tests-feed/names", tenant=member.tenant, token=member.token
            )
            socket = await stack.enter_async_context(opening)
            found = [name for name in await asked(socket) if name.startswith(mark)]
            assert found == [f"{mark} of {member.tenant}"]
            assert service.used == 0
        assert service.count("socket") == 4
    await gone(service)


async def test_what_a_page_says_in_sub_protocols_is_no_choice_of_the_handler(
    service: Service,
) -> None:
    admin = await service.factory.member("acme", Role.ADMIN)
    async with opened(service.port, "/tests-feed/names", token=admin.token) as socket:
        assert socket.subprotocol == "bearer"
    path, chat = f"/tests-feed/rooms/{admin.user_id}", ("chat.v1",)
    async with opened(service.port, path, token=admin.token, subprotocols=chat) as socket:
        assert socket.subprotocol == "chat.v1"
        assert await socket.recv() == str(admin.user_id)
        await asyncio.wait_for(socket.wait_closed(), PATIENCE_SECONDS)
        assert socket.close_code == 1000


async def test_the_token_may_come_in_headers_or_in_the_first_message(service: Service) -> None:
    member = await service.factory.member("acme")
    headers = {"Authorization": f"Bearer {member.token}", **naming("acme")}
    async with opened(service.port, "/tests-feed/names", headers=headers) as socket:
        await asked(socket)
    async with opened(service.port, "/tests-feed/names") as socket:
        await socket.send(json.dumps(first_message(member)))
        await asked(socket)


@pytest.mark.parametrize(
    "first", ["x", "{}", "[]", '{"bearer": 1}', '{"bearer": "a.b.c\\r\\n"}', b"x"]
)
async def test_a_first_message_without_a_token(service: Service, first: str | bytes) -> None:
    async with opened(service.port, "/tests-feed/names") as socket:
        await socket.send(first)
        answer = await answer_of(socket)
        assert (socket.close_code, code(answer)) == (4401, (401, "unauthenticated"))
    await gone(service)


async def test_a_client_that_does_not_say_who_it_is(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "_TOKEN_SECONDS", 0.02)
    async with opened(service.port, "/tests-feed/names") as socket:
        assert code(await answer_of(socket)) == (401, "unauthenticated")


async def test_a_refusal_is_the_answer_to_the_handshake(service: Service) -> None:
    port, factory = service.port, service.factory
    member, stranger = await factory.member("acme"), await factory.signed_in()
    room = f"/tests-feed/rooms/{member.user_id}"
    admin = await factory.member("acme", Role.ADMIN)
    page: dict[str, Any] = {"token": member.token, "headers": {"Origin": "https://evil.test"}}
    assert await refusal(port, subprotocols=("chat.v1",)) == (401, "unauthenticated")
    assert await refusal(port, token="a.b.c") == (401, "unauthenticated")
    assert await refusal(port, token=stranger.token) == LOBBY_REFUSAL
    assert await refusal(port, room, token=member.token) == (403, "role-required")
    assert await refusal(port, "/tests-feed/rooms/x", token=admin.token) == (422, "invalid-request")
    assert await refusal(port, "/tests-feed/nothing", token=member.token) == (404, "not-found")
    assert await refusal(port, **page) == (403, "origin-forbidden")
    for query in (f"token={member.token}", f"q={member.token}", "access_token=x"):
        path = f"/tests-feed/names?{query}"
        assert await refusal(port, path, token=member.token) == (400, "bad-request")
    await gone(service)


@pytest.mark.parametrize(
    ("origin", "is_known"),
    [
        ("http://testserver", True),
        ("https://app.example.com", True),
        ("https://app.example.com.evil.test", False),
        ("http://testserver:81", False),
        ("null", False),
        ("", False),
    ],
)
async def test_pages_of_known_origins_alone(
    settings: Settings, origin: str, is_known: bool
) -> None:
    http = settings.http.model_copy(update={"cors_origins": ("https://app.example.com",)})
    async with serving(settings.model_copy(update={"http": http})) as service:
        page: dict[str, Any] = {"tenant": None, "headers": {"Origin": origin}}
        if is_known:
            async with opened(service.port, "/tests-feed/open", **page) as socket:
                assert await socket.recv() == "null"
        else:
            assert await refusal(service.port, "/tests-feed/open", **page) == (
                403,
                "origin-forbidden",
            )


async def leave(factory: Factory, member: SignedIn) -> None:
    async with factory.components.database.lobby() as lobby:
        of_member = col(UserTenantMembership.user_id) == member.user_id
        await lobby.execute(delete(UserTenantMembership).where(of_member))


async def end_session(factory: Factory, member: SignedIn) -> None:
    async with factory.components.database.lobby() as lobby:
        of_session = col(RefreshToken.family_id) == member.session_id
        await lobby.execute(update(RefreshToken).where(of_session).values(revoked_at=utcnow()))


async def suspend(factory: Factory, member: SignedIn) -> None:
    async with factory.components.database.lobby() as lobby:
        of_tenant = col(Tenant.slug) == member.tenant
        await lobby.execute(update(Tenant).where(of_tenant).values(status=TenantStatus.SUSPENDED))


async def expire(_factory: Factory, _member: SignedIn) -> None:
    """Wait for the token's end, which is near."""


CUT_OFF: Final[list[tuple[Change, tuple[int, str]]]] = [
    (leave, (404, "tenant-not-found")),
    (end_session, (401, "unauthenticated")),
    (suspend, (403, "tenant-suspended")),
    (expire, (401, "unauthenticated")),
]


@pytest.fixture
async def near_its_end(settings: Settings) -> Settings:
    """Tokens that expire while a test waits for it."""
    auth = settings.auth.model_copy(
        update={"access_ttl": timedelta(seconds=2), "clock_skew": timedelta()}
    )
    return settings.model_copy(update={"auth": auth})


@pytest.mark.parametrize(
    ("change", "said"), CUT_OFF, ids=lambda each: getattr(each, "__name__", "")
)
async def test_who_would_be_refused_is_cut_off(
    settings: Settings, near_its_end: Settings, change: Change, said: tuple[int, str]
) -> None:
    chosen = near_its_end if change is expire else settings
    async with serving(chosen, recheck_after=timedelta(milliseconds=20)) as strict:
        tenant = await strict.factory.tenant(status=TenantStatus.READY)
        member = await strict.factory.member(tenant.slug)
        waits = opened(strict.port, "/tests-feed/waits", tenant=tenant.slug, token=member.token)
        async with waits as socket, strict.stream("/tests-feed/ticks", member) as stream:
            assert await socket.recv() == tenant.slug
            events = stream.aiter_lines()
            assert await anext(events) == f'data: "{tenant.slug}"'
            await change(strict.factory, member)
            assert code(await answer_of(socket)) == said
            assert said[1] in "".join([line async for line in events])
        await gone(strict)


async def test_a_session_opened_for_somebody_who_was_removed(service: Service) -> None:
    member = await service.factory.member("acme")
    async with opened(service.port, "/tests-feed/names", token=member.token) as socket:
        await asked(socket)
        await leave(service.factory, member)
        await socket.send("names")
        assert code(await answer_of(socket)) == (404, "tenant-not-found")
    async with service.stream(
        "/tests-feed/removed", await service.factory.member("acme")
    ) as stream:
        lines = [line async for line in stream.aiter_lines()]
    assert (lines[0], lines[2]) == ("data: []", "event: problem")
    assert json.loads(lines[3].removeprefix("data: "))["type"] == "/problems/tenant-not-found"
    await gone(service)


async def test_as_many_as_one_may_have(settings: Settings) -> None:
    async with serving(settings, max_per_user=2, max_per_tenant=3) as service:
        port, (one, two) = service.port, [await service.factory.member("acme") for _ in range(2)]
        async with AsyncExitStack() as stack:
            for member in (one, one, two):
                opening = opened(port, "/tests-feed/names", token=member.token)
                socket = await stack.enter_async_context(opening)
            for member in (one, two):
                said = await refusal(port, token=member.token)
                assert said == (429, "too-many-connections")
            async with service.stream("/tests-feed/ticks", two) as stream:
                assert stream.status_code == 429
            await socket.close()
            await background.eventually(lambda: service.has("socket", 2))
            async with service.stream("/tests-feed/ticks", two) as stream:
                assert stream.status_code == 200
        await gone(service)


async def test_messages_that_are_too_many_or_too_large(settings: Settings) -> None:
    async with serving(settings, max_messages_per_second=5, max_message_bytes=1000) as service:
        member = await service.factory.member("acme")
        async with opened(service.port, "/tests-feed/names", token=member.token) as socket:
            await socket.send("x" * 1001)
            await answer_of(socket)
            assert socket.close_code == 1009
        async with opened(service.port, "/tests-feed/names", token=member.token) as socket:
            # More than five in each of the two seconds that it may take.
            for _ in range(11):
                await socket.send("names")
            assert code(await answer_of(socket)) == (429, "too-many-messages")


async def test_one_that_is_silent(settings: Settings) -> None:
    async with serving(settings, idle_timeout=timedelta(milliseconds=50)) as service:
        async with opened(service.port, "/tests-feed/open", tenant=None) as socket:
            assert code(await answer_of(socket)) == (408, "connection-idle")
        await gone(service)


async def test_an_error_closes_it_without_a_detail(service: Service) -> None:
    member = await service.factory.member("acme")
    for word, closed in (("conflict", (4409, "project-name-taken")), ("crash", (1011, ""))):
        async with opened(service.port, "/tests-feed/names", token=member.token) as socket:
            await socket.send(word)
            await answer_of(socket)
            assert (socket.close_code, socket.close_reason) == closed
    await gone(service)


async def test_a_handler_that_waits_ends_with_its_client_and_with_the_process(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "_FAREWELL_SECONDS", 0.02)
    async with opened(service.port, "/tests-feed/open", tenant=None) as socket:
        await socket.recv()
    member = await service.factory.member("acme")
    async with service.stream("/tests-feed/ticks", member) as stream:
        await anext(stream.aiter_lines())
    await gone(service)
    async with (
        opened(service.port, "/tests-feed/open", tenant=None) as socket,
        service.stream("/tests-feed/ticks", member) as stream,
    ):
        assert stream.headers["X-Accel-Buffering"] == "no"
        await socket.recv()
        await anext(lines := stream.aiter_lines())
        service.end()
        await answer_of(socket)
        assert socket.close_code == 1012
        assert "unavailable" in "".join([line async for line in lines])
    await gone(service)


async def test_it_is_logged_with_its_route_tenant_and_user_and_counted(
    settings: Settings,
) -> None:
    told = settings.logging.model_copy(update={"level": "info"})
    async with serving(settings.model_copy(update={"logging": told})) as service:
        member = await service.factory.member("acme")
        path = "/tests-feed/names?name=Ada"
        with capture_logs() as logs:
            async with opened(service.port, path, token=member.token) as socket:
                await asked(socket)
                metrics = service.app.state.components.metrics.render().decode()
                assert 'live_connections{kind="socket"} 1.0' in metrics
            await gone(service)
            await background.eventually(lambda: service.logged(logs))
    configure_logging(settings.logging)
    [line] = [line for line in logs if line["event"] == "request"]
    whose = (line["status"], line["tenant"], line["user_id"])
    assert whose == (101, "acme", str(member.user_id))
    assert line["route"].endswith("/tests-feed/names")
    assert "Ada" not in str(logs)
    assert b'status="1xx"' not in service.app.state.components.metrics.render()


async def _of_a_session(websocket: WebSocket, projects: Projects) -> None: ...


async def _of_a_request(websocket: WebSocket, caller: Annotated[str, Depends(agent)]) -> None: ...


async def _of_tasks(websocket: WebSocket, tasks: BackgroundTasks) -> None: ...


async def _events(projects: Projects) -> AsyncIterator[str]:
    yield ""


@pytest.mark.parametrize("endpoint", [_of_a_session, _of_a_request, _of_tasks, _events])
def test_what_could_not_work_is_refused_at_the_start(endpoint: Callable[..., Any]) -> None:
    module, made = ModuleType("app.api.v1.mine"), APIRouter(prefix="/mine")
    vars(module)["router"] = made
    if endpoint is _events:
        made.get("/it", response_class=EventSourceResponse)(endpoint)
    else:
        made.websocket("/it")(endpoint)
    with pytest.raises(TypeError, match=r"app\.api\.v1\.mine: /mine/it.*: take"):
        router_of(module)
