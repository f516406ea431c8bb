"""What a superuser under a member's identity may do: just what the OpenAPI document does not refuse, on every route."""

from typing import Final

import pytest
from fastapi import FastAPI

from tests.routes.access import access_of
from tests.routes.operations import Operation
from tests.routes.requests import ROUTES, World

pytestmark = pytest.mark.thorough

IN_PART: Final = {"update_member", "remove_member", "update_tenant"}
"""Refused where an owner is made, changed or removed, or the slug changes: test_members.py and test_tenant.py do that."""

# test_attacks.py tries the others.
OPEN: Final = [
    name
    for name in ROUTES
    if (access := access_of(name)) is not None
    and access.user
    and not access.personal
    and name not in IN_PART
]


@pytest.mark.parametrize("name", OPEN)
async def test_a_route_that_is_open_to_it(world: World, name: str) -> None:
    answer = await world.assumed(await world.prepare(name)).send()
    assert not answer.is_error, answer.text


def test_the_document_says_where_it_is_refused(app: FastAPI) -> None:
    for name in (name for name, route in ROUTES.items() if route.include_in_schema):
        access = access_of(name)
        # A route of the platform says that it takes a superuser in person.
        if access is None or not access.superuser:
            is_refused = (access is not None and access.personal) or name in IN_PART
            assert Operation(app, name).documents(403, "assumed-identity") == is_refused, name
