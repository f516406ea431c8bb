"""A client that sends its body slowly keeps no connection to the database meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest

from app.core.db.database import Database
from app.core.identifiers import uuid7
from tests.patience import PATIENCE_SECONDS
from tests.routes.bodies import media_type_of
from tests.routes.requests import ROUTES, World

pytestmark = pytest.mark.thorough

WITH_BODY: Final = [name for name, route in ROUTES.items() if route.body_field]


@pytest.mark.parametrize("name", WITH_BODY)
async def test_a_body_that_is_under_way(world: World, database: Database, name: str) -> None:
    route = ROUTES[name]
    path = route.path_format.format(**dict.fromkeys(route.param_convertors, uuid7()))
    waited_for, goes_on = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        waited_for.set()
        await goes_on.wait()
        yield b"}"

    sending = asyncio.create_task(
        world.owner.call(
            min(route.methods or ()),
            path,
            content=body(),
            headers={"Content-Type": media_type_of(route)},
        )
    )
    await asyncio.wait_for(waited_for.wait(), PATIENCE_SECONDS)
    assert database.pool.checkedout() == 0
    goes_on.set()
    assert (await sending).status_code < 500
