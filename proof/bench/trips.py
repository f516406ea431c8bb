"""Round trips and statements of each request, counted between the applications and the servers."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from app.dev import network
from app.dev.servers.base import Server
from bench.load import SERIAL
from bench.stage import Application, Stage
from tests.wire import PostgresWire, Wire, through

PREPARING: Final = 3
"""Requests of each kind until every statement is prepared."""
COUNTED: Final = 5
"""The cheapest of these is what the request costs: background work may ask beside it."""
QUIET_SECONDS: Final = 0.2
QUIET_ATTEMPTS: Final = 20
EXPECTED: Final = {"bare": 1, "guarded": 3}
"""What makes the floors floors."""


@dataclass(frozen=True, slots=True)
class Trips:
    """Of one request."""

    postgres: int
    statements: int
    connections: int
    """To PostgreSQL."""
    others: Mapping[str, int]
    """To each other server, by its name."""


@dataclass(frozen=True, slots=True)
class _Wires:
    login: PostgresWire
    owner: PostgresWire
    others: Mapping[str, Wire]

    def environment(self, stage: Stage) -> dict[str, str]:
        changes = {
            name: through(wire, SecretStr(stage.environment[name])).get_secret_value()
            for name, wire in (("DATABASE__URL", self.login), ("FLOOR_URL", self.owner))
        }
        for server in _between(stage):
            port = self.others[server.name].port
            for name, value in server.environment().items():
                changes[name] = value.replace(f":{server.port}", f":{port}")
        return changes

    def counted(self) -> Trips:
        counts = [self.login.counted(), self.owner.counted()]
        return Trips(
            sum(count.trips for count in counts),
            sum(count.statements for count in counts),
            sum(len(count.connections) for count in counts),
            {name: wire.counted().trips for name, wire in self.others.items()},
        )


async def count_trips(
    stage: Stage, requests: Mapping[str, Mapping[str, Sequence[bytes]]]
) -> dict[str, dict[str, Trips]]:
    """Return what each application's requests cost, by its name and theirs.

    Raises:
        RuntimeError: a floor asks more or less often than it should.
    """
    counted = {}
    async with _wires(stage) as wires:
        changes = wires.environment(stage)
        for name, of_application in requests.items():
            application = await asyncio.to_thread(stage.start, name, **changes)
            await _quiet(wires)
            counted[name] = {
                request: await _counted(wires, application, examples[0])
                for request, examples in of_application.items()
            }
            await asyncio.to_thread(stage.stop, application)
    for name, expected in EXPECTED.items():
        if any(trips.postgres != expected for trips in counted[name].values()):
            raise RuntimeError(f"the floor {name!r} is none: {counted[name]}")
    return counted


@asynccontextmanager
async def _wires(stage: Stage) -> AsyncIterator[_Wires]:
    async with AsyncExitStack() as stack:
        login, owner = [
            await stack.enter_async_context(PostgresWire.to(stage.environment[name]))
            for name in ("DATABASE__URL", "FLOOR_URL")
        ]
        others = {
            server.name: await stack.enter_async_context(Wire(network.LOOPBACK, server.port))
            for server in _between(stage)
        }
        yield _Wires(login, owner, others)


def _between(stage: Stage) -> list[Server]:
    return [server for server in stage.others if not server.knows_its_address]


async def _quiet(wires: _Wires) -> None:
    # What the service looks for when it starts is no request's.
    wires.counted()
    for _ in range(QUIET_ATTEMPTS):
        await asyncio.sleep(QUIET_SECONDS)
        if not wires.counted().postgres:
            return


async def _counted(wires: _Wires, application: Application, request: bytes) -> Trips:
    reader, writer = await asyncio.open_connection(network.LOOPBACK, application.port)
    counted = []
    for turn in range(PREPARING + COUNTED):
        wires.counted()
        writer.write(request.replace(SERIAL, b"%016d" % turn))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 2"):
            raise RuntimeError(f"{head.decode()}{application.process.output()}")
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        counted.append(wires.counted())
    writer.close()
    return min(counted[PREPARING:], key=lambda trips: trips.postgres)
