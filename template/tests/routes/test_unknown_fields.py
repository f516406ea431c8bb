"""Nobody writes a column by naming it in a body: what the schema of a body does not have is refused or ignored."""

from typing import Final

import pytest
from fastapi import FastAPI

from app.models.trees import public_tree, tenant_tree
from tests.routes.operations import Operation
from tests.routes.requests import ROUTES, World

PLANTED: Final = "planted"
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
    request = await world.prepare(name)
    foreign = dict.fromkeys(columns - operation.fields().keys(), PLANTED)
    answer = await request.adding(foreign).send()
    if operation.body().get("additionalProperties") is False:
        assert answer.status_code == 422, answer.text
        pointers = {error["pointer"] for error in answer.json()["errors"]}
        assert pointers <= {f"/body/{column}" for column in foreign}
        answer = await request.send()
        assert answer.is_success, f"after a refusal: {answer.text}"
    assert not answer.is_error, answer.text
    shown = answer.json() if answer.content else {}
    stored = await request.read_back(shown)
    assert PLANTED not in f"{shown} {stored}"
