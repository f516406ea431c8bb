"""Who gets the next free connection: whoever has waited longest."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection

from app.core.errors import Unavailable
from app.core.settings import DatabaseSettings


class Checkout:
    """Hands out the pool's connections in the order in which they are asked for.

    SQLAlchemy's queue lets a newcomer take what a waiter has just been woken for, who then has to queue up anew
    (ADR 0025).
    """

    def __init__(self, engine: AsyncEngine, settings: DatabaseSettings) -> None:
        self._engine = engine
        # Of asyncio's primitives, this one is fair.
        self._free = asyncio.Semaphore(settings.connections)
        self._patience_seconds = settings.pool_timeout.total_seconds()

    async def take(self) -> PoolProxiedConnection:
        """Return a connection of the driver's, for `give_back`.

        Raises:
            Unavailable: none became free within `DATABASE__POOL_TIMEOUT`, or the server cannot be reached.
        """
        await self._turn()
        try:
            # Not `connect`: most requests need no SQLAlchemy around the driver.
            return await self._engine.raw_connection()
        except BaseException as exc:
            self._free.release()
            if isinstance(exc, OSError):
                raise Unavailable from exc
            raise

    def give_back(self, connection: PoolProxiedConnection) -> None:
        """Return a connection to the pool."""
        try:
            connection.close()
        finally:
            self._free.release()

    async def _turn(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._free.acquire()
        except TimeoutError as exc:
            raise Unavailable from exc
