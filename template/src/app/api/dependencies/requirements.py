"""What a route asks of its caller, read from the dependencies that it declares."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIWebSocketRoute

from app.core.roles import Role


@dataclass(frozen=True, slots=True)
class Requirement:
    """One dependency's demand, or the sum of a route's."""

    user: bool = True
    """A signed-in user; `False` where a token is welcome but not needed."""
    tenant: bool = False
    enters: bool = False
    """The transaction gets the tenant's schema and role."""
    at_least: Role = Role.MEMBER
    superuser: bool = False
    verified: bool = False
    personal: bool = False
    """Refused while a superuser assumes the identity."""

    def __or__(self, other: "Requirement") -> "Requirement":
        return Requirement(
            user=self.user or other.user,
            tenant=self.tenant or other.tenant,
            enters=self.enters or other.enters,
            at_least=self.at_least if self.at_least.at_least(other.at_least) else other.at_least,
            superuser=self.superuser or other.superuser,
            verified=self.verified or other.verified,
            personal=self.personal or other.personal,
        )


def requires[F: Callable[..., Any]](requirement: Requirement) -> Callable[[F], F]:
    """Mark a dependency: each route that declares it, directly or not, demands `requirement`."""

    def mark(dependency: F) -> F:
        _MARKED[dependency] = requirement
        return dependency

    return mark


def requirement_of(route: APIRoute | APIWebSocketRoute) -> Requirement | None:
    """Return what `route` demands; `None` for a public route."""
    known = _KNOWN.get(id(route))
    if known is None:
        # Keeping the route as well keeps its id from naming another one.
        known = _KNOWN[id(route)] = (route, _sum(route.dependant))
    return known[1]


_MARKED: dict[Callable[..., Any], Requirement] = {}
_KNOWN: dict[int, tuple[APIRoute | APIWebSocketRoute, Requirement | None]] = {}


def _sum(dependant: Dependant) -> Requirement | None:
    total: Requirement | None = None
    for call in calls_of(dependant):
        demanded = _MARKED.get(call)
        if demanded is not None:
            total = demanded if total is None else total | demanded
    return total


def calls_of(dependant: Dependant) -> list[Callable[..., Any]]:
    """Return what is called for a route: its endpoint, and each dependency."""
    own = [dependant.call] if dependant.call else []
    return own + [call for sub in dependant.dependencies for call in calls_of(sub)]
