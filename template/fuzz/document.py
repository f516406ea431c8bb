"""The service's OpenAPI document as schemathesis reads it."""

import copy
from typing import Any, Final

import schemathesis
from fastapi import FastAPI
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.routes.requests import ROUTES

type Case = schemathesis.Case[Any]
"""A request that schemathesis has made up."""

OPERATIONS: Final = [*ROUTES, "live", "ready"]
"""By `operationId`: the routes of `api/v1`, which you add to, and the others that the document describes."""

_ANYWHERE: Final = {"404", "405"}
"""What `default` may stand for: the path or the method is no route's."""

_REFUSALS: Final = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "429", "431"]


def described(app: FastAPI) -> OpenApiSchema:
    """Return the document of `app`, in which each operation names every status that it answers with."""
    document: dict[str, Any] = copy.deepcopy(app.openapi())
    for path in document["paths"].values():
        for operation in path.values():
            # With it, whatever is answered would be described.
            default = operation["responses"].pop("default")
            operation["responses"] = dict.fromkeys(_ANYWHERE, default) | operation["responses"]
    config = schemathesis.Config.from_dict(
        {
            "generation": {"mode": "all"},
            "checks": {"negative_data_rejection": {"expected-statuses": _REFUSALS}},
        }
    )
    return schemathesis.openapi.from_dict(document, config=config)


def operation_ids(schema: OpenApiSchema) -> set[str]:
    """Return what the document calls its operations."""
    paths = schema.raw_schema["paths"].values()
    return {operation["operationId"] for path in paths for operation in path.values()}
