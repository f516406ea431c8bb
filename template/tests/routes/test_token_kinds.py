"""Each kind of token opens what it is for, and nothing else."""

from typing import Final

import pytest
from fastapi import FastAPI

from tests.answers import problem
from tests.routes.operations import Operation
from tests.routes.requests import ROUTES, Call, World
from tests.routes.tables import table

pytestmark = pytest.mark.thorough

FIELDS: Final = ("token", "refresh_token", "access_token", "code")


def field_of(app: FastAPI, name: str) -> str | None:
    """Return the field of a route's body that takes a token."""
    fields = Operation(app, name).fields()
    return next((f for f in FIELDS if fields.get(f, {}).get("format") == "password"), None)


def are_of_one_kind(name: str, other: str) -> bool:
    """Tell whether two routes take the same tokens."""
    kinds: dict[str, str] = table("TOKENS_OF")
    return kinds.get(name, name) == kinds.get(other, other)


@pytest.fixture(scope="module")
async def takers(app: FastAPI, world: World) -> dict[str, tuple[Call, str]]:
    """A request of each route that takes a token, and the field that has it."""
    fields = {name: field for name in ROUTES if (field := field_of(app, name))}
    # No token can be made up: of one that is not said, `test_callable.py` asks for it.
    known = [name for name in fields if name in table("REQUESTS")]
    return {name: (await world.prepare(name), fields[name]) for name in known}


async def test_tokens_of_other_kinds_are_refused_and_stay_good(
    world: World, takers: dict[str, tuple[Call, str]]
) -> None:
    tokens = {name: request.body[field] for name, (request, field) in takers.items()}
    tokens["access"] = world.user.token
    assert len(takers) > 3
    for name, (request, field) in takers.items():
        for other, token in tokens.items():
            if not are_of_one_kind(name, other):
                answer = await request.adding({field: token}).send()
                # A logout says nothing; what follows shows that it ended nothing.
                assert answer.status_code in (400, 401, 422) or name == "logout", (
                    f"{name} took a token of {other}: {answer.text}"
                )
    for other, token in tokens.items():
        if other != "access":
            headers = {"Authorization": f"Bearer {token}"}
            answer = await world.client.get("/api/v1/users/me", headers=headers)
            assert problem(answer) == (401, "unauthenticated"), other
    for name, (request, _) in takers.items():
        answer = await request.send()
        assert answer.is_success, f"{name}: {answer.text}"
