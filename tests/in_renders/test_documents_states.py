"""docs/multi-tenancy.md draws the steps between a tenant's states that the database allows, and no others."""

import re
from itertools import permutations
from pathlib import Path
from typing import Final

import asyncpg

from app.core.identifiers import uuid7
from app.core.settings import DatabaseSettings
from app.models.public.tenants import TenantStatus

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "multi-tenancy.md"
STATES: Final = [status.value for status in TenantStatus]


def drawn() -> set[tuple[str, str]]:
    arrows = re.findall(r"^ +(\S+) --> (\S+):", DOCUMENT.read_text(), re.MULTILINE)
    return {(before, after) for before, after in arrows if "[*]" not in (before, after)}


async def is_allowed(connection: asyncpg.Connection, before: str, after: str) -> bool:
    id = uuid7()
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(
            "INSERT INTO public.tenants (id, slug, name, status, schema_name, created_at, updated_at)"
            " VALUES ($1, $2, 'Drawn', $3, $4, now(), now())",
            *(id, f"drawn-{id.hex[-8:]}", before, f"tenant_drawn_{id.hex[-8:]}"),
        )
        await connection.execute("UPDATE public.tenants SET status = $2 WHERE id = $1", id, after)
    except asyncpg.CheckViolationError:
        return False
    finally:
        await transaction.rollback()
    return True


async def test_the_drawing_has_each_step(database_settings: DatabaseSettings) -> None:
    connection = await asyncpg.connect(database_settings.url.get_secret_value())
    try:
        allowed = {pair for pair in permutations(STATES, 2) if await is_allowed(connection, *pair)}
    finally:
        await connection.close()
    assert allowed == drawn()
