"""Sessions of the DDL role for what outlives a transaction, such as LISTEN."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.core.db.owner import OwnerDatabase


@asynccontextmanager
async def session_connection(owner: OwnerDatabase) -> AsyncIterator[Any]:
    """Yield an asyncpg connection of its own, outside any transaction and any pool, and close it afterwards.

    `DATABASE__URL` may lead to a pooler, which hands each transaction to another session; the DDL role's does not.
    """
    engine = owner.ddl_engine.execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        try:
            yield raw.driver_connection
        finally:
            await connection.invalidate()
