"""What the schema of a body does not have is refused or ignored: nobody writes a column by naming it in a body, or
makes refusals the work of a process.
"""

from itertools import batched
from typing import Final

import pytest
from fastapi import FastAPI

from app.models.trees import public_tree, tenant_tree
from tests.routes.operations import Operation
from tests.routes.requests import ROUTES, World, shown_by

pytestmark = pytest.mark.thorough

PLANTED: Final = "planted"
MANY: Final = 10_000
MAX_SHOWN: Final = 20
"""Of errors. So many were probably more."""
AT_ONCE: Final = 80
"""Columns in one body: more than a hundred unknown fields are one error."""
WITH_BODY: Final = [name for name, route in ROUTES.items() if route.body_field]


@pytest.fixture(scope="module")
def columns() -> set[str]:
    """The names of the columns of all tables."""
    trees = (public_tree(), tenant_tree())
    tables = [table for tree in trees for table in tree.metadata.tables.values()]
    return {column.name for table in tables for column in table.columns}


@pytest.mark.parametrize("name", WITH_BODY)
async def test_columns_that_are_no_fields(
    app: FastAPI, world: World, columns: set[str], name: str
) -> None:
    operation = Operation(app, name)
    for foreign in batched(sorted(columns - operation.fields().keys()), AT_ONCE):
        request = await world.prepare(name)
        answer = await request.adding(dict.fromkeys(foreign, PLANTED)).send()
        if operation.body().get("additionalProperties") is False:
            assert answer.status_code == 422, answer.text
            pointers = {error["pointer"] for error in answer.json()["errors"]}
            assert pointers <= {f"/body/{column}" for column in foreign}
            answer = await request.send()
            assert answer.is_success, f"after a refusal: {answer.text}"
        assert not answer.is_error, answer.text
        shown = shown_by(answer)
        stored = await request.read_back(shown)
        assert PLANTED not in f"{answer.text} {stored}"


@pytest.mark.parametrize("name", WITH_BODY)
async def test_very_many_fields_are_one_error(app: FastAPI, world: World, name: str) -> None:
    request = await world.prepare(name)
    answer = await request.adding({str(n): PLANTED for n in range(MANY)}).send()
    if Operation(app, name).body().get("additionalProperties") is False:
        assert answer.status_code == 422, answer.text
        pointers = [error["pointer"] for error in answer.json()["errors"]]
        assert pointers == ["/body"], "Derive bodies from app.schemas.base.Body."


@pytest.mark.parametrize("name", WITH_BODY)
async def test_very_much_in_a_field_is_few_errors(app: FastAPI, world: World, name: str) -> None:
    fields = Operation(app, name).fields()
    many = {"array": [[]] * MANY, "object": {str(n): [] for n in range(MANY)}}
    for field, schema in fields.items():
        if schema.get("type") in many:
            request = await world.prepare(name)
            answer = await request.adding({field: many[schema["type"]]}).send()
            errors = answer.json().get("errors", ()) if answer.is_client_error else ()
            hint = f"Say how long {field} may be. Make it a list if it is a set, which reads all of them."
            assert len(errors) < MAX_SHOWN, hint
