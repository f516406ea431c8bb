"""The correlation id on each log line of a request, one line and one observation about it, and what it left behind."""

from functools import partial
from time import perf_counter
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from app.api.context.public_path import PROBES, route_path_of
from app.api.context.request_context import STARTS, RequestContext, route_template_of
from app.core.db.checkout import Loans, loans
from app.core.db.failures import hint_of
from app.core.metrics import Metrics

_MAX_PATH: Final = 512
_SWITCHED: Final = 101
_CLIENT_GONE: Final = 499
_CLOSE_CODE: Final = "close_code"


class LoggingContext:
    """Logs how each request ended, a crash with its traceback. Probes are logged at debug level.

    A connection to the database that the request has lost is closed, counted and logged.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics
        self._log = structlog.get_logger("app.requests").bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        status, started, ended = 0, perf_counter(), 0.0

        async def send_noted(message: Message) -> None:
            nonlocal status, ended
            await send(message)
            if message["type"] in STARTS:
                status = message.get("status", _SWITCHED)
            elif message["type"] == "websocket.close":
                scope["state"][_CLOSE_CODE] = message["code"]
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                ended = perf_counter()

        tokens = bind_contextvars(request_id=scope["state"]["request_id"])
        borrowed = Loans(partial(self._lost, scope))
        token = loans.set(borrowed)
        crash: BaseException | None = None
        try:
            await self.app(scope, receive, send_noted)
        except BaseException as exc:
            crash = exc
            status = status or (500 if isinstance(exc, Exception) else _CLIENT_GONE)
            raise
        finally:
            borrowed.end()
            loans.reset(token)
            # Background tasks run after the response and are no part of its duration.
            self._report(scope, status, (ended or perf_counter()) - started, crash)
            reset_contextvars(**tokens)

    def _report(
        self, scope: Scope, status: int, seconds: float, crash: BaseException | None
    ) -> None:
        route = route_template_of(scope)
        method = scope.get("method", "GET")
        if status != _SWITCHED and not _lasts(scope):
            self._metrics.observe_request(method, route, status, seconds)
        fields: dict[str, Any] = {
            "method": method,
            "route": route,
            # As it was sent: percent-encoded, so without line breaks, and without the query.
            "path": scope.get("raw_path", b"")[:_MAX_PATH].decode("latin-1"),
            "status": status,
            "duration_ms": round(seconds * 1000, 2),
        }
        if _CLOSE_CODE in scope["state"]:
            fields[_CLOSE_CODE] = scope["state"][_CLOSE_CODE]
        fields |= _whose(scope)
        if isinstance(crash, Exception):
            if hint := hint_of(crash):
                fields["hint"] = hint
            self._log.error("request failed", exc_info=crash, **fields)
        elif status >= 500:
            self._log.warning("request", **fields)
        elif route_path_of(scope).startswith(PROBES):
            self._log.debug("request", **fields)
        else:
            self._log.info("request", **fields)

    def _lost(self, scope: Scope) -> None:
        route = route_template_of(scope)
        self._metrics.count_lost_connection(route)
        self._log.error(
            "connection lost",
            method=scope.get("method", "GET"),
            route=route,
            hint="A session or connection was taken outside `async with`, or kept by somebody.",
            **_whose(scope),
        )


def _lasts(scope: Scope) -> bool:
    context: RequestContext | None = scope["state"].get("context")
    return context is not None and context.lasts


def _whose(scope: Scope) -> dict[str, str | None]:
    context: RequestContext | None = scope["state"].get("context")
    if context is None:
        return {}
    fields: dict[str, str | None] = {"client_address": context.client_address}
    if context.user_id is not None:
        fields |= {"tenant": context.tenant_slug, "user_id": str(context.user_id)}
    if context.actor_id is not None:
        fields["actor_id"] = str(context.actor_id)
    return fields
