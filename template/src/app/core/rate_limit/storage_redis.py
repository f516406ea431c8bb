"""Counters in Redis or Valkey, shared by all processes."""

import asyncio
from collections.abc import Sequence
from hashlib import sha1
from itertools import batched
from math import floor, inf
from typing import Final

from limits import RateLimitItem
from limits.aio.storage.redis.bridge import RedisBridge
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from app.core import about
from app.core.rate_limit.settings_redis import RedisSettings
from app.core.rate_limit.storage import Hit, Window

_PREFIX: Final = f"{about.SLUG}:limit"

# The library's two scripts, run for several keys and together: what it would do in two round
# trips for each limit is one for all. Times are in milliseconds.
_SCRIPT: Final = b"""
local function acquire(KEYS, ARGV)
%b
end
local function window(KEYS, ARGV)
%b
end
local function give_back(key)
    if (tonumber(redis.call('get', key)) or 0) > 0 then
        redis.call('decr', key)
    end
    return true
end
local numbers = {}
for i = 1, #KEYS, 2 do
    local keys = {KEYS[i], KEYS[i + 1]}
    local limit, expiry = ARGV[i], ARGV[i + 1]
    local given_back = ARGV[#KEYS + (i + 1) / 2] == '1'
    local acquired = given_back and give_back(keys[2]) or not given_back and acquire(keys, {limit, expiry, 1})
    numbers[#numbers + 1] = acquired and 1 or 0
    for _, number in ipairs(window(keys, {expiry})) do
        numbers[#numbers + 1] = math.max(0, tonumber(number) or 0)
    end
end
return table.concat(numbers, ' ')
""" % (RedisBridge.SCRIPT_ACQUIRE_SLIDING_WINDOW, RedisBridge.SCRIPT_SLIDING_WINDOW)

_SCRIPT_ID: Final = sha1(_SCRIPT, usedforsecurity=False).hexdigest()
_NUMBERS: Final = 5

type _Waiting = tuple[tuple[Hit, ...], asyncio.Future[list[Window]]]


class StorageUnavailable(Exception):
    """Redis did not count, or not in time."""


class RedisStorage:
    """The `limits` library's sliding windows over one connection to one server.

    What comes while a round trip is under way goes together in the next one, so that many requests
    at once need fewer. Redis Cluster does not take keys of several slots together.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._timeout_seconds = settings.timeout.total_seconds()
        pool = ConnectionPool.from_url(
            settings.url.get_secret_value(),
            protocol=2,
            # `_send` bounds connecting, writing and reading together.
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
        )
        self._connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py's gap
        # Once more over a new connection: the old one may have died unnoticed.
        self._retry = Retry(NoBackoff(), 1)
        self._waiting: list[_Waiting] = []
        self._sender: asyncio.Task[None] | None = None

    async def hit(self, *hits: Hit) -> list[Window]:
        """Count each hit and return their windows in the same order.

        Raises:
            StorageUnavailable: Redis refused, or took longer than the timeout.
        """
        loop = asyncio.get_running_loop()
        windows: asyncio.Future[list[Window]] = loop.create_future()
        self._waiting.append((hits, windows))
        if self._sender is None:
            self._sender = loop.create_task(self._send())
        return await windows

    async def close(self) -> None:
        """Close the connection."""
        if self._sender is not None:
            self._sender.cancel()
        await self._connection.disconnect()

    async def _send(self) -> None:
        batch: list[_Waiting] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                async with asyncio.timeout(self._timeout_seconds):
                    windows = await self._count([hit for hits, _ in batch for hit in hits])
                for hits, future in batch:
                    own, windows = windows[: len(hits)], windows[len(hits) :]
                    if not future.done():
                        future.set_result(own)
        except BaseException as exc:
            # Whatever it was, nobody may wait for ever; who came meanwhile has waited as well.
            for _, future in [*batch, *self._waiting]:
                if not future.done():
                    future.set_exception(StorageUnavailable(repr(exc)))
            self._waiting = []
            if not isinstance(exc, Exception):
                raise
        finally:
            self._sender = None

    async def _count(self, hits: Sequence[Hit]) -> list[Window]:
        keys: list[str] = []
        limits: list[int] = []
        for limit, key, _ in hits:
            current = f"{_PREFIX}:{{{key}}}"
            keys += (f"{current}/-1", current)
            limits += (limit.amount, limit.get_expiry())
        given_back = [int(hit.given_back) for hit in hits]
        arguments: list[str | int] = [len(keys), *keys, *limits, *given_back]
        try:
            reply = await self._ask("EVALSHA", _SCRIPT_ID, *arguments)
        except NoScriptError:
            reply = await self._ask("EVAL", _SCRIPT, *arguments)
        numbers = batched(map(int, reply.split()), _NUMBERS)
        return [_window(hit.limit, *of_hit) for hit, of_hit in zip(hits, numbers, strict=True)]

    async def _ask(self, *command: str | bytes | int) -> bytes:
        async def exchange() -> bytes:
            await self._connection.send_command(*command)
            reply: bytes = await self._connection.read_response()
            return reply

        return await self._retry.call_with_retry(exchange, lambda _: self._connection.disconnect())


def _window(
    limit: RateLimitItem,
    acquired: int,
    previous: int,
    previous_ttl: int,
    current: int,
    current_ttl: int,
) -> Window:
    # As `SlidingWindowCounterRateLimiter.get_window_stats`, from numbers that came with the hit.
    # A window that begins in this millisecond ends after its whole length, not now.
    expiry = limit.get_expiry() * 1000
    remaining = limit.amount - floor(previous * previous_ttl / expiry + current)
    reset = min(
        previous_ttl % (expiry / previous) if previous else inf,
        (current_ttl - 1) % expiry + 1 if current else inf,
    )
    return Window(bool(acquired), max(0, remaining), 0.0 if reset == inf else reset / 1000)
