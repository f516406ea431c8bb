"""What each route costs in round trips to Redis, counted on the wire."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import pytest
from fastapi.dependencies.models import Dependant

from app.api.dependencies.attempts import get_attempts
from app.core.rate_limit.settings import RateLimitSettings
from app.core.settings import Settings
from tests.limiting_redis import redis_settings
from tests.routes.requests import ROUTES, World, world_of
from tests.valkey import ValkeyProcess, running_valkey
from tests.wire import Wire, through

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

EACH: Final = 1
"""The client's address; the tenant's limit is counted in the next request's trip."""
WITH_ATTEMPTS: Final = 3
"""Also the limit of the address and that of the account, where a stranger may try something."""


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyProcess]:
    with running_valkey() as server:
        yield server


@pytest.fixture(scope="module")
async def wire(valkey: ValkeyProcess) -> AsyncIterator[Wire]:
    async with Wire.to(valkey.url) as wire:
        yield wire


@pytest.fixture(scope="module")
async def world(settings: Settings, valkey: ValkeyProcess, wire: Wire) -> AsyncIterator[World]:
    """An application whose limits are counted and never reached."""
    names = RateLimitSettings.model_fields.keys() - {"enabled"}
    limits = RateLimitSettings(enabled=True, **dict.fromkeys(names, "1000000 per 1 minute"))
    redis = redis_settings(valkey)
    redis = redis.model_copy(update={"url": through(wire, redis.url)})
    wired = settings.model_copy(update={"redis": redis, "rate_limits": limits})
    async with world_of(wired) as world:
        yield world


@pytest.mark.parametrize("name", ROUTES)
async def test_a_route_asks_redis_no_more_than_it_must(world: World, wire: Wire, name: str) -> None:
    call = await world.prepare(name)
    # Its first command says hello and finds no script there.
    await world.client.get("/")
    wire.counted()
    assert not (await call.send()).is_error
    count = wire.counted()
    assert len(count.connections) == 1
    calls = _calls(ROUTES[name].dependant)
    assert count.trips <= (WITH_ATTEMPTS if get_attempts in calls else EACH)


def _calls(dependant: Dependant) -> set[Callable[..., Any]]:
    own = {dependant.call} if dependant.call else set()
    return own.union(*(_calls(sub) for sub in dependant.dependencies))
