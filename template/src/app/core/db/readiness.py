"""Whether PostgreSQL can be worked with."""

import asyncio
from time import monotonic
from typing import Final

import structlog
from sqlalchemy import text

from app.core.db.database import Database
from app.core.settings import DatabaseSettings

_TIMEOUT_SECONDS: Final = 2.0
_REMEMBERED_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class DatabaseReadiness:
    """Looks once a second at most, however many ask: whoever may ask is not limited.

    It has a connection of its own, so that it does not wait behind requests: a full pool is no dead database.
    """

    CONNECTIONS: Final = 1

    def __init__(self, settings: DatabaseSettings) -> None:
        own = {"pool_size": self.CONNECTIONS, "max_overflow": 0}
        self._database = Database(settings.model_copy(update=own))
        self._looking = asyncio.Lock()
        self._answers = False
        self._known_until = 0.0

    async def close(self) -> None:
        """Close the connection."""
        await self._database.close()

    async def answers(self) -> bool:
        """Tell whether PostgreSQL answers in time and was ever migrated, as of a second ago at most."""
        async with self._looking:
            if monotonic() >= self._known_until:
                self._answers = await self._look()
                self._known_until = monotonic() + _REMEMBERED_SECONDS
            return self._answers

    async def _look(self) -> bool:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._database.lobby() as lobby:
                # A lobby that was never migrated has no such table.
                await lobby.execute(text("SELECT id FROM public.installation"))
        except Exception as exc:
            log.warning("not ready", error=type(exc).__name__)
            return False
        return True
