"""Which requests are sent, to whom, and how long it takes."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from bench.load import SERIAL
from bench.scene import Client
from service import ANSWERS

LIST: Final = "list of 20"
READS: Final = (LIST, "get one", "users/me")
LOGIN: Final = "login"
LIVE: Final = "live health"
CREATE: Final = "create"
PATCH: Final = "patch"

LOGINS: Final = "bench.logins_oidc" if ANSWERS["auth_mode"] == "oidc" else "bench.logins_password"
"""The module of how users of this render sign in."""

type Written = Coroutine[Any, Any, bytes]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    tenants: int
    rounds: int
    seconds: float
    """Of each step in each round."""
    warm_up_seconds: float
    """Of what each step sends, before it is measured."""
    concurrencies: Sequence[int]
    many_tenants: int
    starts: int


FULL: Final = Plan(200, 6, 1.5, 2.0, (1, 16, 64), 2000, 5)
QUICK: Final = Plan(200, 2, 1.0, 1.0, (1, 16, 64), 400, 2)
TRIAL: Final = Plan(4, 1, 0.1, 0.1, (1, 16, 64), 8, 1)
"""Whether it runs, not what it measures."""

_TO_SERVICE: Final[dict[str, Callable[[Client], Written]]] = {
    LIST: lambda client: client.request("GET", "/projects?limit=20"),
    "get one": lambda client: client.request("GET", f"/projects/{client.project_id}"),
    "users/me": lambda client: client.request("GET", "/users/me"),
    CREATE: lambda client: client.request("POST", "/projects", {"name": SERIAL.decode()}),
    PATCH: lambda client: client.request(
        "PATCH", f"/projects/{client.project_id}", {"description": SERIAL.decode()}
    ),
}


async def to_service(clients: Sequence[Client]) -> dict[str, list[bytes]]:
    """Return each kind of request to the service, from every client."""
    requests = {
        name: [await write(client) for client in clients] for name, write in _TO_SERVICE.items()
    }
    health = b"GET /health/live HTTP/1.1\r\nhost: testserver\r\n\r\n"
    logins: list[bytes] = await import_module(LOGINS).login_requests(clients)
    return {**requests, LIVE: [health], LOGIN: logins}


def to_floor(clients: Sequence[Client]) -> dict[str, list[bytes]]:
    """Return each kind of request to a floor, from every client."""
    return {
        LIST: [client.to_floor("/projects?limit=20") for client in clients],
        "get one": [client.to_floor(f"/projects/{client.project_id}") for client in clients],
        "users/me": [client.to_floor("/users/me") for client in clients],
    }
