"""What is known about the request that is being answered."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from starlette.types import Scope

STARTS: Final = frozenset(
    {"http.response.start", "websocket.http.response.start", "websocket.accept"}
)
"""The messages that begin an answer and have its headers."""


@dataclass(slots=True)
class RequestContext:
    """Where a request comes from and, once it is admitted, on whose behalf it runs."""

    request_id: str
    method: str
    path: str
    client_address: str | None
    """An IP address; `None` over a Unix socket."""
    user_agent: str
    """At most 256 characters; empty if the client sent none."""
    user_id: UUID | None = field(default=None, init=False)
    actor_id: UUID | None = field(default=None, init=False)
    lasts: bool = field(default=False, init=False)
    """A socket or event stream, whose duration says nothing of the service's."""
    tenant_slug: str | None = field(default=None, init=False)

    @staticmethod
    def of(scope: Scope) -> "RequestContext":
        """Return the context that the middleware has made for this request."""
        context: RequestContext = scope["state"]["context"]
        return context

    def admit(
        self, user_id: UUID, *, tenant_slug: str | None = None, actor_id: UUID | None = None
    ) -> None:
        """Note who was admitted, for the log and the audit trail."""
        self.user_id, self.tenant_slug, self.actor_id = user_id, tenant_slug, actor_id


current_request: ContextVar[RequestContext | None] = ContextVar("current_request", default=None)
"""The request that this task answers; `None` outside requests."""


def request_id_of(scope: Scope) -> str | None:
    """Return the correlation id, if the request-tracking middleware has seen the request."""
    request_id: str | None = scope.get("state", {}).get("request_id")
    return request_id


def route_template_of(scope: Scope) -> str | None:
    """Return the path of the route that answers, such as `/api/v1/projects/{project_id}`."""
    # A route of an included router knows its own part only; FastAPI keeps the whole path here.
    included = scope.get("fastapi", {}).get("effective_route_context")
    route = scope.get("route") if scope["type"] == "websocket" else included or scope.get("route")
    template: str | None = getattr(route, "path_format", None)
    return template
