"""The queue's tables, as the library knows them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from pgqueuer import AsyncpgDriver, Queries
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.domain.settings import DBSettings
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from app.core.db.owner import OwnerDatabase
from app.core.db.session_connection import session_connection

SCHEMA: Final = "queue"
"""Where the migration puts them."""


class _Names(DBSettings):
    # The library would read the environment, and variables as general as `CHANNEL`.
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


NAMES: Final = _Names(db_schema=SCHEMA)


class ObservedDriver(AsyncpgDriver):
    """Remembers when PostgreSQL last answered, and what it first failed with."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self.answered_at = float("-inf")
        self.failure: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Return the rows of a query."""
        try:
            rows = await super().fetch(query, *args)
        except Exception as exc:
            if not self.failure.done():
                self.failure.set_result(exc)
            raise
        self.answered_at = time.monotonic()
        return rows


@asynccontextmanager
async def connected(owner: OwnerDatabase) -> AsyncIterator[ObservedDriver]:
    """Yield a driver on a session of its own, which can LISTEN."""
    async with session_connection(owner) as connection:
        # SQLAlchemy's connections decode JSON, which the library does for itself.
        await connection.reset_type_codec("jsonb", schema="pg_catalog")
        yield ObservedDriver(connection)


def queries(driver: AsyncpgDriver) -> Queries:
    """Return the library's queries on our tables."""
    return Queries(
        driver,
        qbe=QueryBuilderEnvironment(NAMES),
        qbq=QueryQueueBuilder(NAMES),
        qbs=QuerySchedulerBuilder(NAMES),
    )
