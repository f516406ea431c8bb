"""The DDL role's connections: for background work and the operator's commands, never for a request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from enum import IntEnum
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db.database import Database
from app.core.db.engine import create_owner_engine
from app.core.db.sessions import LobbySession
from app.core.db.unit_of_work import Side
from app.core.settings import DatabaseSettings

_LIMITS: Final = {
    # A schema with much data takes longer to drop than any request may last.
    "statement_timeout": timedelta(),
    "lock_timeout": timedelta(seconds=10),
    "pool_timeout": timedelta(minutes=1),
}

_LOCK_CLASS: Final = 0x6C6F6262
"""The first key of our advisory locks, "lobb", so that none is taken for somebody else's."""


class Lock(IntEnum):
    """What only one session of the database may do at a time."""

    MIGRATE = 1


class OwnerDatabase(Database):
    """Transactions with the rights of the DDL role.

    Raises:
        ValueError: `DATABASE__OWNER_URL` is not set.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self.ddl_engine = create_owner_engine(settings)
        """For `app.core.db.migrations`; each use opens a connection of its own."""
        super().__init__(settings.model_copy(update={"url": settings.owner_url, **_LIMITS}))

    async def close(self) -> None:
        """Close every connection that is not in use."""
        await super().close()
        await self.ddl_engine.dispose()

    @asynccontextmanager
    async def exclusive(self, lock: Lock) -> AsyncIterator[bool]:
        """Hold an advisory lock for as long as the block runs, or yield `False` if another session has it."""
        query = text("SELECT pg_try_advisory_lock(:class, :key)")
        engine = self.ddl_engine.execution_options(isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            # The connection is closed afterwards, which releases the lock.
            yield bool(await connection.scalar(query, {"class": _LOCK_CLASS, "key": lock}))


async def connection_of(session: LobbySession) -> AsyncConnection:
    """Return the connection of an owner's transaction, for `app.core.db.tenancy`."""
    return await (await session.unit.orm(Side.LOBBY)).connection()
