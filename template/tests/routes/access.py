"""Whom each route is meant to admit; `tests/routes/test_attacks.py` attacks it as one that admits nobody else.

A route that is not here is for members of a tenant with the role that its parameters demand, or for superusers. One that
admits others must be named in an `ACCESS` (`tests/routes/tables.py`), as a parameter that was forgotten looks the same: by the
route's name, or by its path if it is not in `api/v1`.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.api.dependencies.requirements import Requirement, requirement_of
from app.core.roles import Role
from tests.routes.requests import ALL
from tests.routes.tables import table

type Access = Requirement | None

PUBLIC: Final[Access] = None
OPTIONAL: Final = Requirement(user=False)
"""Anybody, but nobody with a wrong token."""
USER: Final = Requirement()
MEMBER: Final = Requirement(tenant=True)
ADMIN: Final = Requirement(tenant=True, at_least=Role.ADMIN)
OWNER: Final = Requirement(tenant=True, at_least=Role.OWNER)
PLATFORM: Final = Requirement(superuser=True, personal=True)
"""Superusers, in person."""


def in_person(access: Requirement) -> Requirement:
    """Return the same, but for superusers who assume an identity."""
    return replace(access, personal=True)


ACCESS: Final[dict[str, Access]] = {
    "refresh": PUBLIC,
    "logout": PUBLIC,
    "look_up_invite": PUBLIC,
    "get_me": USER,
    "update_me": in_person(USER),
    "list_my_tenants": USER,
    "list_my_invites": replace(in_person(USER), verified=True),
    "accept_my_invite": replace(in_person(USER), verified=True),
    "decline_my_invite": replace(in_person(USER), verified=True),
    "list_tenants": USER,
    "get_tenant": USER,
    "list_sessions": in_person(USER),
    "end_session": in_person(USER),
    "logout_all": in_person(USER),
    "switch_tenant": in_person(USER),
    "create_tenant": replace(in_person(USER), verified=True),
    "update_member": ADMIN,
    "remove_member": ADMIN,
    "leave_tenant": in_person(MEMBER),
    "list_invites": ADMIN,
    "get_invite": ADMIN,
    "create_invite": in_person(ADMIN),
    "cancel_invite": in_person(ADMIN),
    "resend_invite": in_person(ADMIN),
    "list_audit_logs": ADMIN,
    "update_tenant": ADMIN,
    "delete_tenant": in_person(OWNER),
    "list_all_tenants": PLATFORM,
    "suspend_tenant": PLATFORM,
    "resume_tenant": PLATFORM,
    "retry_tenant": PLATFORM,
    "restore_tenant": PLATFORM,
    "delete_any_tenant": PLATFORM,
    "assume_identity": PLATFORM,
    "list_workflows": PLATFORM,
    "/": PUBLIC,
    "/health/live": PUBLIC,
    "/health/ready": PUBLIC,
    "/metrics": PUBLIC,
    "/openapi.json": PUBLIC,
    "/docs": PUBLIC,
    "/docs/oauth2-redirect": PUBLIC,
    "/redoc": PUBLIC,
    "/static-offline-docs": PUBLIC,
    "/mailbox": PUBLIC,
    "/pages/pages.css": PUBLIC,
    "/pages/pages.js": PUBLIC,
    "/favicon.ico": PUBLIC,
    "/problems/{code}": PUBLIC,
}


def access_of(name: str) -> Access:
    """Return whom a route of `api/v1` is meant to admit."""
    meant: dict[str, Access] = table("ACCESS")
    if name in meant:
        return meant[name]
    demanded = demanded_by(name)
    return demanded if demanded and (demanded.tenant or demanded.superuser) else MEMBER


def demanded_by(name: str) -> Access:
    """Return whom a route of `api/v1` admits by its parameters."""
    demanded = requirement_of(ALL[name])
    return demanded and replace(demanded, enters=False)


def paths_beside(app: FastAPI) -> Iterator[str]:
    """Yield the path of everything that an application serves beside the routes of `api/v1`."""
    own = {id(route) for route in ALL.values()}
    for served in iter_route_contexts(app.routes):
        if id(served.original_route) not in own:
            yield served.path or "/"


def described(access: Access) -> str:
    """Return what a class of routes is called."""
    if access is None or not access.user:
        return "public"
    if access.superuser:
        return "platform"
    return str(access.at_least) if access.tenant else "lobby"


def worded(access: Access) -> str:
    """Return an access in the words of this module."""
    words = {"PUBLIC": PUBLIC, "OPTIONAL": OPTIONAL, "USER": USER, "MEMBER": MEMBER, "ADMIN": ADMIN}
    words |= {"OWNER": OWNER, "PLATFORM": PLATFORM}
    known = next((word for word, each in words.items() if each == access), None)
    if known or access is None:
        return known or "PUBLIC"
    if access.personal:
        return f"in_person({worded(replace(access, personal=False))})"
    if access.verified:
        return f"replace({worded(replace(access, verified=False))}, verified=True)"
    return str(access)
