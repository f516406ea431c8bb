"""What happens to the server in the middle of a transaction costs one request at most, and no connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url

from app.core.db.database import Database
from app.core.db.sessions import LobbySession, TenantSession
from app.core.db.unit_of_work import Side
from app.core.errors import Unavailable
from app.core.settings import DatabaseSettings, Settings
from app.services.background_failures import describe, is_final
from tests.gate import Gate
from tests.patience import PATIENCE_SECONDS
from tests.test_unit_of_work import Kept, names, tenant_id


async def test_connections_that_the_server_closed_cost_no_request(
    database: Database, admin_url: str
) -> None:
    acme = await tenant_id(database, "acme")
    pool = database.engine.url
    connection = await asyncpg.connect(admin_url)
    ended = await connection.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = $2",
        pool.database,
        pool.username,
    )
    await connection.close()
    assert ended
    assert isinstance(await names(database, acme), set)


class SlowFarewell(Gate):
    """Hands on what the server says when it hangs up, and only later that it has hung up."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._said, self._client_gone = asyncio.Event(), asyncio.Event()

    async def said(self) -> None:
        """Wait until the client has what was said."""
        await self._said.wait()
        await asyncio.sleep(0.05)

    async def end_of_stream(self, *, from_client: bool) -> None:
        """Give the client a while to hang up by itself."""
        if from_client:
            self._client_gone.set()
            return
        self._said.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._client_gone.wait()


@asynccontextmanager
async def one_connection_behind(
    settings: DatabaseSettings, **others: Any
) -> AsyncIterator[tuple[SlowFarewell, Database]]:
    url = make_url(settings.url.get_secret_value())
    async with SlowFarewell(url.host or "", url.port or 5432) as gate:
        through = url.set(host="127.0.0.1", port=gate.port).render_as_string(hide_password=False)
        changes = {"url": SecretStr(through), "pool_size": 1, "max_overflow": 0, **others}
        async with Database(settings.model_copy(update=changes)) as database:
            yield gate, database


async def terminate(admin_url: str, pid: int) -> None:
    connection = await asyncpg.connect(admin_url)
    await connection.execute("SELECT pg_terminate_backend($1)", pid)
    await connection.close()


async def backend(session: TenantSession | LobbySession) -> int:
    pid: int = await session.scalar(select(func.pg_backend_pid())) or 0
    return pid


async def test_a_farewell_costs_no_request_that_comes_after(
    database_settings: DatabaseSettings, admin_url: str
) -> None:
    async with one_connection_behind(database_settings) as (gate, database):
        async with database.lobby() as lobby:
            pid = await backend(lobby)
        await terminate(admin_url, pid)
        await gate.said()
        async with database.lobby() as lobby:
            assert await backend(lobby) != pid


@pytest.mark.parametrize("error", [None, Kept])
async def test_a_farewell_within_a_transaction_is_a_reason_to_try_again(
    database_settings: DatabaseSettings, admin_url: str, error: type[Exception] | None
) -> None:
    async def request(database: Database, gate: SlowFarewell) -> None:
        async with database.lobby() as lobby:
            await terminate(admin_url, await backend(lobby))
            await gate.said()
            if error:
                raise error
            await backend(lobby)

    async with one_connection_behind(database_settings) as (gate, database):
        with pytest.raises(Unavailable):
            await request(database, gate)
        assert database.pool.checkedout() == 0
        async with database.lobby() as lobby:
            assert await backend(lobby)


async def fetched(lobby: LobbySession) -> None:
    await lobby.unit.fetch(Side.LOBBY, "SELECT 1", [])


async def executed(lobby: LobbySession) -> None:
    await lobby.execute(text("SELECT 1"))


async def saved(lobby: LobbySession) -> None:
    async with lobby.savepoint():
        await executed(lobby)


async def committed(_lobby: LobbySession) -> None:
    """What comes next is the COMMIT."""


class ImpatientOnce:
    """What a connection of asyncpg is configured with: its next wait is short, and a further one endless.

    The real limit is as long as a test waits, so that nothing but silence reaches it.
    """

    def __init__(self, configured: Any) -> None:
        limit = configured.command_timeout
        assert limit == PATIENCE_SECONDS + 2, "two seconds after the server's own"
        self._configured = configured
        self._limits = iter([0.1])

    @property
    def command_timeout(self) -> float:
        """Read for each wait."""
        return next(self._limits, 2 * PATIENCE_SECONDS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._configured, name)


async def test_a_server_that_says_nothing_more_is_given_up(
    database_settings: DatabaseSettings,
) -> None:
    async def is_given_up(
        step: Callable[[LobbySession], Awaitable[None]], pooler: str = "none"
    ) -> None:
        async def request(database: Database, gate: SlowFarewell) -> None:
            async with database.lobby() as lobby:
                await backend(lobby)
                driver = lobby.unit._driver
                driver._config = ImpatientOnce(driver._config)
                gate.silent = True
                await step(lobby)

        async with one_connection_behind(database_settings, pooler=pooler) as door:
            gate, database = door
            with pytest.raises(Unavailable):
                await request(database, gate)
            gate.silent = False
            async with database.lobby() as lobby:
                assert await backend(lobby)

    # A second wait, for a ROLLBACK, would take longer.
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(
            *map(is_given_up, (fetched, executed, saved, committed)),
            is_given_up(fetched, pooler="transaction"),
        )


async def test_a_host_that_does_not_answer_is_waited_for_as_for_a_connection(
    database_settings: DatabaseSettings,
) -> None:
    patience = timedelta(seconds=0.1)
    async with one_connection_behind(database_settings, pool_timeout=patience) as (gate, database):
        gate.silent = True
        # Half as long as the driver waits by itself.
        async with asyncio.timeout(30):
            with pytest.raises(Unavailable) as caught:
                await tenant_id(database, "acme")
        assert database.pool.checkedout() == 0
    assert caught.value.__cause__
    assert describe(caught.value.__cause__) == "TimeoutError"


@pytest.mark.parametrize(
    "sqlstate",
    [
        "53100",  # the disk is full
        "57014",  # the statement took too long
        "58030",  # a file cannot be read or written
        "XX000",  # a file cannot grow beyond its limit
    ],
)
async def test_trouble_of_the_server_is_a_reason_to_try_again(
    database: Database, sqlstate: str
) -> None:
    async def request() -> None:
        async with database.lobby() as lobby:
            await lobby.execute(
                text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$")
            )

    with pytest.raises(Unavailable):
        await request()


async def test_no_connection_to_be_had_is_a_reason_to_try_again(
    database_settings: DatabaseSettings, admin_url: str
) -> None:
    connection = await asyncpg.connect(admin_url)
    limit = f'ALTER DATABASE "{make_url(database_settings.url.get_secret_value()).database}" CONNECTION LIMIT'
    await connection.execute(f"{limit} 0")
    try:
        async with Database(database_settings) as another:
            with pytest.raises(Unavailable):
                await tenant_id(another, "acme")
    finally:
        await connection.execute(f"{limit} -1")
        await connection.close()


@pytest.mark.parametrize("change", [{"password": "another"}, {"database": "gone"}], ids=str)
async def test_background_work_waits_where_it_is_not_let_in(
    settings: Settings, change: dict[str, Any]
) -> None:
    url = make_url(settings.database.url.get_secret_value()).set(**change)
    refused = SecretStr(url.render_as_string(hide_password=False))
    async with Database(settings.database.model_copy(update={"url": refused})) as database:
        with pytest.raises(Exception) as reason:  # noqa: PT011  whatever it is, it has to be recognised
            async with database.lobby() as lobby:
                await lobby.scalar(select(1))
    assert not is_final(reason.value, attempt=100)
