"""What `make faults` says of a fault that was not survived."""

import asyncio

import asyncpg
import pytest

from app.core.settings import Settings
from app.services.background_work import BackgroundWork
from faults.catalogue import FAULTS
from faults.invariants import unfinished
from tests import background

pytestmark = pytest.mark.thorough


async def test_what_is_open_is_told_and_who_waits_behind_whom(
    work: BackgroundWork, separate: Settings
) -> None:
    assert separate.database.owner_url is not None
    connection = await asyncpg.connect(separate.database.owner_url.get_secret_value())
    requested = await background.request_tenant(work)
    told: list[str] = []

    async def the_waiting_are_told() -> bool:
        told[:] = await unfinished(connection)
        return any(line.startswith("waiting: ") and ", behind idle in tr" in line for line in told)

    async with background.held_up(work, requested):
        provisioning = asyncio.create_task(work.provisioning.run(requested.execution_id))
        await background.eventually(the_waiting_are_told)
    await provisioning
    await connection.close()

    assert any(line.startswith("open: provision_tenant pending for ") for line in told)


def test_beside_other_work_each_bound_is_longer() -> None:
    for fault in FAULTS:
        longer = fault.stretched(3)
        assert longer.name == fault.name
        assert longer.work_within == 3 * fault.work_within
        assert longer.answers_within == 3 * fault.answers_within
        assert longer.requests_within == 3 * fault.requests_within
