"""What a superuser under a member's identity may not do, on every route: what the OpenAPI document says, and no less."""

from dataclasses import replace
from typing import Final

import pytest
from fastapi import FastAPI

from app.api.dependencies.requirements import requirement_of
from tests.answers import problem
from tests.every_route.prepared import ROUTES, Operation, World, prepared
from tests.factories import SignedIn

FOR_PEOPLE: Final = [
    name
    for name, route in ROUTES.items()
    if (required := requirement_of(route)) is not None and required.user
]

FORBIDDEN: Final = {
    "logout_all",
    "end_session",
    "switch_tenant",
    "create_invite",
    "cancel_invite",
    "resend_invite",
    "create_tenant",
    "delete_tenant",
}
"""What docs/security.md says, whatever a route demands."""

ONLY_OF_OWNERS: Final = {"update_member", "remove_member"}
"""Refused where an owner is made, changed or removed, which test_members.py does."""


def is_refused(app: FastAPI, name: str) -> bool:
    """Tell whether a route is for people themselves: superusers' all are, others say so in the document."""
    required = requirement_of(ROUTES[name])
    assert required is not None
    documented = Operation(app, name).documents(403, "assumed-identity")
    is_personal = required.superuser or (documented and name not in ONLY_OF_OWNERS)
    return is_personal or name in FORBIDDEN


def assumed(world: World, identity: SignedIn) -> SignedIn:
    """Return the identity as the superuser has it."""
    claims = world.components.access_tokens.verify(identity.token)
    token, _ = world.components.access_tokens.issue(
        user_id=identity.user_id,
        session_id=world.superuser.session_id,
        actor_id=world.superuser.user_id,
        tenant_id=claims.tenant_id,
        tenant_slug=claims.tenant_slug,
        role=claims.role,
    )
    return replace(identity, token=token, session_id=world.superuser.session_id)


@pytest.mark.parametrize("name", FOR_PEOPLE)
async def test_refused_where_documented_and_nowhere_else(
    app: FastAPI, world: World, name: str
) -> None:
    request = await prepared(world, name)
    assert request.caller is not None
    answer = await request.by(assumed(world, request.caller)).send()
    if is_refused(app, name):
        assert problem(answer) == (403, "assumed-identity")
        answer = await request.send()
    assert not answer.is_error, answer.text
