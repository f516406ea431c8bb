"""No tenant takes more of the connections than its share, unless it is alone."""

import asyncio
from uuid import UUID, uuid4

import pytest

from app.core.db.turns import Turns
from tests.patience import PATIENCE_SECONDS

ACME, GLOBEX = uuid4(), uuid4()


class Taken:
    """Turns that were asked for, in the order in which they came."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[UUID | None] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def ask(self, *tenants: UUID | None) -> None:
        """Ask, and let everybody have a turn who may."""
        for tenant in tenants:
            self.tasks.append(asyncio.create_task(self._wait(tenant)))
        await self.settle()

    async def end(self, *tenants: UUID | None) -> None:
        """Give turns back, and let the next ones have theirs."""
        for tenant in tenants:
            self.turns.end(tenant)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def _wait(self, tenant: UUID | None) -> None:
        await self.turns.wait(tenant, PATIENCE_SECONDS)
        self.order.append(tenant)


@pytest.fixture
async def taken() -> Taken:
    return Taken(Turns(8))


async def test_a_tenant_that_is_alone_may_have_all(taken: Taken) -> None:
    await taken.ask(*[ACME] * 9)
    assert taken.order == [ACME] * 8
    assert taken.turns.none_is_free
    taken.tasks[-1].cancel()


async def test_another_tenant_finds_a_turn_whoever_floods(taken: Taken) -> None:
    await taken.ask(GLOBEX)
    await taken.end(GLOBEX)

    await taken.ask(*[ACME] * 20)
    assert taken.order[1:] == [ACME] * 4
    await taken.ask(GLOBEX, GLOBEX, None)
    assert taken.order[5:] == [GLOBEX, GLOBEX, None]

    for task in taken.tasks:
        task.cancel()


async def test_whoever_was_alone_takes_no_further_one_when_somebody_comes(taken: Taken) -> None:
    await taken.ask(*[ACME] * 12, GLOBEX)
    assert taken.order == [ACME] * 8
    await taken.end(ACME)
    assert taken.order[8:] == [GLOBEX]
    await taken.end(ACME)
    assert taken.order[9:] == [], "it holds six, and its share is four"
    await taken.end(ACME, ACME, ACME)
    assert taken.order[9:] == [ACME]
    for task in taken.tasks:
        task.cancel()


async def test_a_turn_that_nobody_waits_for_any_more_is_the_next_ones() -> None:
    taken = Taken(Turns(1))
    await taken.ask(ACME, ACME, GLOBEX)
    # It is called and cancelled at once.
    taken.turns.end(ACME)
    taken.tasks[1].cancel()
    await taken.settle()
    assert taken.order == [ACME, GLOBEX]
    await taken.end(GLOBEX)
    await taken.ask(None)
    assert taken.order == [ACME, GLOBEX, None]


async def test_a_wait_ends(taken: Taken) -> None:
    await taken.ask(*[ACME] * 8)
    with pytest.raises(TimeoutError):
        await taken.turns.wait(ACME, 0.01)
    await taken.end(*[ACME] * 8)
    await taken.ask(*[GLOBEX] * 4)
    assert taken.order[8:] == [GLOBEX] * 4


async def test_who_has_not_asked_for_two_minutes_shares_no_more(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("app.core.db.turns.monotonic", lambda: now)
    taken = Taken(Turns(8))
    await taken.ask(GLOBEX)
    await taken.end(GLOBEX)
    now += 121
    await taken.ask(*[ACME] * 8)
    assert taken.order == [GLOBEX] + [ACME] * 8
