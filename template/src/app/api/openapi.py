"""What admission adds to the OpenAPI document: who may call a route, and how it is refused."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.api.dependencies.requirements import Requirement, requirement_of
from app.api.problems import problems
from app.api.v1 import routers
from app.core import errors
from app.core.roles import Role

_OF_TENANT: Final = (
    errors.TenantRequired,
    errors.TenantInvalid,
    errors.TenantMismatch,
    errors.TenantNotFound,
    errors.TenantNotReady,
    errors.TenantSuspended,
    errors.TenantDeleted,
)


def install(app: FastAPI) -> None:
    """Extend the document of `app` by what the dependencies of each route demand."""
    app.openapi = _extended(app)  # type: ignore[method-assign]  # FastAPI's documented way


def refusals(requirement: Requirement) -> list[type[errors.AppError]]:
    """Return the errors that admission answers with on a route that demands `requirement`."""
    found: list[type[errors.AppError]] = [errors.Unauthenticated]
    if requirement.tenant:
        found += _OF_TENANT
    if requirement.at_least is not Role.MEMBER:
        found.append(errors.RoleRequired)
    if requirement.superuser:
        found.append(errors.SuperuserRequired)
    if requirement.verified:
        found.append(errors.EmailNotVerified)
    if requirement.personal:
        found.append(errors.AssumedIdentityForbidden)
    return found


def _extended(app: FastAPI) -> Callable[[], dict[str, Any]]:
    openapi = app.openapi

    def with_admission() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = openapi()
        demanded = {
            route.name: requirement_of(route)
            for router in routers()
            for route in router.routes
            if isinstance(route, APIRoute)
        }
        for path in document["paths"].values():
            for operation in path.values():
                _extend(operation, demanded.get(operation["operationId"]))
        return document

    return with_admission


def _extend(operation: dict[str, Any], requirement: Requirement | None) -> None:
    if requirement is None:
        # The audit trail asks for the caller, if there is one; these routes need none.
        operation.pop("security", None)
        return
    if not requirement.user:
        operation["security"] = [{}, *operation["security"]]
    responses: dict[str, Any] = operation["responses"]
    for status, refusal in problems(*refusals(requirement)).items():
        own = responses.setdefault(str(status), {**refusal, "description": ""})
        known = own["description"]
        news = [text for text in refusal["description"].split("\n\n") if text not in known]
        own["description"] = "\n\n".join(filter(None, [known, *news]))
