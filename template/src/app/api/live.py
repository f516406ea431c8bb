"""What stays open, WebSockets and streams of events: who has how many, and who is refused meanwhile (ADR 0029)."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import wraps
from typing import Any, Final

from fastapi import Request, Response
from fastapi.requests import HTTPConnection
from fastapi.sse import ServerSentEvent
from prometheus_client.core import GaugeMetricFamily, Metric
from starlette.types import Receive, Scope, Send

from app.api.context.request_context import RequestContext
from app.api.dependencies.admission import admission_of, admitted_of, bearer_token
from app.api.dependencies.components import Components
from app.api.dependencies.sessions import get_lobby_session, get_tenant_session
from app.core.db.admission import MemberAdmission, admit_member, admit_user
from app.core.errors import (
    AppError,
    TooManyConnections,
    Unavailable,
)
from app.core.settings import LiveSettings

EVENTS: Final = "text/event-stream"
ENDING: Final = "ending"
"""Where a stream's state has the `asyncio.Event` that the server sets when its process ends."""

_CHECK_SECONDS: Final = 15.0
"""For a check that the database does not answer, until the connection ends for want of it."""


class LiveConnections:
    """The sockets and streams that are open in this process."""

    def __init__(self, settings: LiveSettings) -> None:
        self.settings = settings
        self._open = Counter[str](socket=0, stream=0)
        self._seats = Counter[tuple[str, object]]()

    @contextmanager
    def open(self, kind: str, connection: HTTPConnection) -> Iterator[None]:
        """Count one for its user and tenant, or else for its address, until the block ends.

        Raises:
            TooManyConnections: they have as many as one process keeps open.
        """
        seats = self._seats_of(connection)
        if any(self._seats[seat] >= limit for seat, limit in seats.items()):
            raise TooManyConnections
        self._open[kind] += 1
        self._seats.update(seats.keys())
        try:
            yield
        finally:
            self._open[kind] -= 1
            self._seats.subtract(seats.keys())
            self._seats = +self._seats

    def _seats_of(self, connection: HTTPConnection) -> dict[tuple[str, object], int]:
        admitted = admitted_of(connection)
        if admitted is None:
            address = RequestContext.of(connection.scope).client_address
            return {("address", address): self.settings.max_per_tenant}
        seats: dict[tuple[str, object], int] = {("user", admitted.id): self.settings.max_per_user}
        if admitted.tenant is not None:
            seats["tenant", admitted.tenant.id] = self.settings.max_per_tenant
        return seats

    def metrics(self) -> list[Metric]:
        """Return what Prometheus reads about them."""
        gauge = GaugeMetricFamily(
            "live_connections", "Open sockets and event streams.", labels=("kind",)
        )
        for kind, count in self._open.items():
            gauge.add_metric((kind,), count)
        return [gauge]


async def until(
    work: Coroutine[Any, Any, None], *ends: Coroutine[Any, Any, AppError]
) -> AppError | None:
    """Do `work`, and cancel it once one of `ends` says why; raise what either raises."""
    tasks: list[asyncio.Task[AppError | None]] = [
        asyncio.create_task(each) for each in (work, *ends)
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return next(task for task in tasks if task in done).result()


async def refusal_of(connection: HTTPConnection) -> AppError:
    """Wait until the caller would not be admitted any more, and return how it would be refused."""
    interval: float = connection.app.state.live.settings.recheck_after.total_seconds()
    while True:
        await asyncio.sleep(interval)
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await _admit_again(connection, interval)
        except TimeoutError:
            return Unavailable()
        except AppError as exc:
            return exc


async def _admit_again(connection: HTTPConnection, interval: float) -> None:
    components: Components = connection.app.state.components
    admission, token = admission_of(connection), bearer_token(connection.scope)
    if admission is None or token is None:
        return
    while True:
        components.access_tokens.verify(token)
        with suppress(Unavailable):
            async with components.database.unit() as unit:
                if isinstance(admission, MemberAdmission):
                    # It reads no table of the tenant, which may be migrated meanwhile.
                    await admit_member(unit, replace(admission, enters=False))
                else:
                    await admit_user(unit, admission)
            return
        await asyncio.sleep(min(interval, 1))


class EventStream(Response):
    """A response of server-sent events that ends when its caller would be refused, or the process ends."""

    def __init__(self, request: Request, response: Response, seat: ExitStack) -> None:
        super().__init__()
        self._request = request
        self._response = response
        self._seat = seat
        # Proxies would collect events, and caches keep them.
        response.headers.update({"X-Accel-Buffering": "no", "Cache-Control": "no-store"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events, then why no more follow."""
        RequestContext.of(scope).lasts = True
        ending = scope["state"][ENDING] = asyncio.Event()

        async def end_of_process() -> AppError:
            await ending.wait()
            return Unavailable("The service is shutting down.")

        with self._seat:
            why = await until(
                self._response(scope, receive, send), refusal_of(self._request), end_of_process()
            )
        if why is not None:
            last = f"event: problem\ndata: {json.dumps(_document(why))}\n\n".encode()
            await send({"type": "http.response.body", "body": last})


def seat_of(request: Request) -> ExitStack:
    """Return what counts a stream until it is closed.

    Raises:
        TooManyConnections: as `LiveConnections.open`.
    """
    live: LiveConnections = request.app.state.live
    seat = ExitStack()
    seat.enter_context(live.open("stream", request))
    return seat


def seated(
    handle: Callable[[Request], Coroutine[Any, Any, Response]],
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """Return `handle`, which begins to make events, for those that may have one more stream."""

    async def answer(request: Request) -> Response:
        with seat_of(request) as seat:
            response = await handle(request)
            return EventStream(request, response, seat.pop_all())

    return answer


def ending_with_a_problem(events: Callable[..., AsyncIterator[Any]]) -> Callable[..., Any]:
    """Return a generator of events whose refusals are its last event, and no crash."""

    @wraps(events)
    async def answering(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        try:
            async for event in events(*args, **kwargs):
                yield event
        except AppError as exc:
            yield ServerSentEvent(event="problem", data=_document(exc))

    return answering


def _document(error: AppError) -> dict[str, Any]:
    document = {"type": f"/problems/{error.code}", "title": error.title, "status": error.status}
    return document | ({"detail": error.detail} if error.detail else {})


def unfit_for_long(path: str, calls: list[Callable[..., Any]]) -> str | None:
    """Return why a socket or stream would keep a connection to the database; `None` if it would not."""
    if not {get_lobby_session, get_tenant_session}.isdisjoint(calls):
        return f"{path} would keep a session as long as it is open: take a TenantDBSessionMaker, or DBSessionMaker."
    return None
