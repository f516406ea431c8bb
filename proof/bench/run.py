"""One run, from an empty cluster to the numbers."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import asyncpg

from app.core.db import tenancy
from app.core.settings import load_settings
from app.dev.servers.postgres import SUPERUSER
from bench import usage
from bench.load import Job, Load, write_requests
from bench.measure import Measured, Rounds, Step
from bench.scenarios import (
    CREATE,
    LIST,
    LIVE,
    LOGIN,
    PATCH,
    READS,
    Plan,
    to_floor,
    to_service,
)
from bench.scene import Client, populate
from bench.stage import DATABASE, Application, Stage
from bench.trips import Trips, count_trips
from tests import databases

CLIENTS: Final = 16
LOGGING_IN: Final = 8
WAITING: Final = 32
FEW_TENANTS: Final = 20
REQUESTS_BEFORE_REST: Final = 1000


@dataclass(slots=True)
class Results:
    """What a run has found."""

    measured: list[Measured] = field(default_factory=list)
    trips: dict[str, dict[str, Trips]] = field(default_factory=dict)
    start_seconds: float = 0.0
    resident_mb: float = 0.0
    """Of the service, idle, after 1,000 lists."""
    disturbed: list[Measured] = field(default_factory=list)
    """Lists, alone and while others log in."""
    neighbours: list[Measured] = field(default_factory=list)
    """Lists, alone and while another tenant's requests wait for a lock."""
    by_tenants: list[Measured] = field(default_factory=list)
    """Lists of few tenants and of many."""
    memory_mb: dict[str, float] = field(default_factory=dict)
    """Of the service and of PostgreSQL's largest process, after lists of few tenants and of many."""

    def of(self, application: str, request: str, clients: int = CLIENTS) -> Measured:
        """Return what a step came to."""
        wanted = (application, request, clients)
        return next(m for m in self.measured if (m.application, m.request, m.clients) == wanted)


class Bench:
    """Puts the applications on the stage and measures them."""

    def __init__(self, stage: Stage, plan: Plan, load: Load, other_load: Load) -> None:
        self.stage = stage
        self.plan = plan
        self.load = load
        self.other_load = other_load
        self.results = Results()
        self._began = time.monotonic()
        self._rounds = Rounds(stage, load, plan)
        self._files: dict[str, dict[str, str]] = {}

    def run(self) -> Results:
        """Measure everything."""
        admin_url = self.stage.postgres.url(SUPERUSER, "postgres")
        self._say(f"making {self.plan.tenants} tenants")
        asyncio.run(databases.clone(admin_url, DATABASE))
        clients = asyncio.run(populate(load_settings(), range(self.plan.tenants)))
        service = asyncio.run(to_service(clients))
        requests = {"bare": to_floor(clients), "guarded": to_floor(clients), "service": service}
        self._say("counting round trips")
        self.results.trips = asyncio.run(count_trips(self.stage, requests))
        for application, of_application in requests.items():
            self._files[application] = self._written(application, of_application)
        self._start_and_rest()
        self._reads()
        self._others()
        self._middlewares()
        self._while_others_log_in()
        self._while_a_tenant_is_held_up(clients[0], service[LIST])
        self._many_tenants(service[LIST])
        return self.results

    def _start_and_rest(self) -> None:
        self._say("starting")
        self.stage.stop(self.stage.start("service"))  # writes the bytecode
        seconds = []
        for _ in range(self.plan.starts):
            application = self.stage.start("service")
            seconds.append(application.start_seconds)
            self._send(application, REQUESTS_BEFORE_REST)
            time.sleep(1)
            self.results.resident_mb = usage.resident_mb(application.pid)
            self.stage.stop(application)
        self.results.start_seconds = median(seconds)

    def _reads(self) -> None:
        self._say(f"reads, {self.plan.rounds} rounds")
        applications = [self.stage.start(name) for name in self._files]
        everywhere = [
            self._step(application, LIST, clients)
            for clients in self.plan.concurrencies
            for application in applications
        ]
        others = [
            self._step(application, request, CLIENTS)
            for request in READS
            if request != LIST
            for application in applications
        ]
        self.results.measured += self._rounds.run([*everywhere, *others])
        for application in applications:
            self.stage.stop(application)

    def _others(self) -> None:
        self._say("the service's other requests")
        service = self.stage.start("service")
        steps = [self._step(service, request, CLIENTS) for request in (LIVE, CREATE, PATCH, LOGIN)]
        self.results.measured += self._rounds.run(steps)
        self.stage.stop(service)

    def _middlewares(self) -> None:
        self._say("the middlewares alone")
        applications = [self.stage.start(f"{how} middlewares") for how in ("with", "without")]
        file = self._files["service"][LIST]
        steps = [Step(application, LIST, file, CLIENTS) for application in applications]
        self.results.measured += self._rounds.run(steps)
        for application in applications:
            self.stage.stop(application)

    def _while_others_log_in(self) -> None:
        self._say(f"lists while {LOGGING_IN} clients log in")
        service = self.stage.start("service")
        step = self._step(service, LIST, CLIENTS)
        self._rounds.warm_up([step])
        alone = Measured(service.name, f"{LIST}, nobody logs in", CLIENTS)
        disturbed = Measured(service.name, f"{LIST}, {LOGGING_IN} clients log in", CLIENTS)
        logins = Job(
            service.port, self._files["service"][LOGIN], LOGGING_IN, self.plan.seconds + 0.5
        )
        for _ in range(self.plan.rounds):
            alone.add(self._rounds.once(step))
            self.other_load.start(logins)
            time.sleep(0.25)
            disturbed.add(self._rounds.once(step))
            self.other_load.outcome()
        self.results.disturbed = [alone, disturbed]
        self.stage.stop(service)

    def _while_a_tenant_is_held_up(self, neighbour: Client, lists: Sequence[bytes]) -> None:
        self._say(f"lists while {WAITING} clients of one tenant wait for a lock")
        service = self.stage.start("service")
        crowd, others = (
            write_requests(self.stage.folder / f"{name}.requests", requests)
            for name, requests in (("neighbour", lists[:1]), ("others", lists[1:]))
        )
        step = Step(service, LIST, others, CLIENTS)
        self._rounds.warm_up([step])
        alone = Measured(service.name, f"{LIST}, no tenant is held up", CLIENTS)
        beside = Measured(service.name, f"{LIST}, {WAITING} clients of another wait", CLIENTS)
        waiting = Job(service.port, crowd, WAITING, self.plan.seconds + 0.5)
        for _ in range(self.plan.rounds):
            alone.add(self._rounds.once(step))
            with self._locked(neighbour):
                self.other_load.start(waiting)
                time.sleep(0.25)
                beside.add(self._rounds.once(step))
            self.other_load.outcome()
        self.results.neighbours = [alone, beside]
        self.stage.stop(service)

    @contextmanager
    def _locked(self, client: Client) -> Iterator[None]:
        table = f"{tenancy.quoted(tenancy.schema_name(client.signed_in.tenant or ''))}.projects"
        with asyncio.Runner() as runner:
            url = self.stage.postgres.url(SUPERUSER, DATABASE)
            connection = runner.run(asyncpg.connect(url))
            runner.run(connection.execute(f"BEGIN; LOCK TABLE {table}"))
            yield
            runner.run(connection.close())

    def _many_tenants(self, lists: Sequence[bytes]) -> None:
        self._say(f"{FEW_TENANTS} and {self.plan.many_tenants} tenants")
        added = asyncio.run(
            populate(load_settings(), range(self.plan.tenants, self.plan.many_tenants))
        )
        more = asyncio.run(to_service(added))[LIST]
        steps = []
        for requests in (lists[:FEW_TENANTS], [*lists, *more]):
            service = self.stage.start("service")
            label = f"{LIST}, {len(requests)} tenants"
            file = write_requests(self.stage.folder / f"{len(requests)}.requests", requests)
            # Most connections have seen most tenants then, and hold what they learned of them.
            self.load.run(Job(service.port, file, CLIENTS, self.plan.seconds * 10))
            steps.append(Step(service, label, file, CLIENTS))
        self.results.by_tenants = self._rounds.run(steps)
        for step in steps:
            self.results.memory_mb[f"service, {step.request}"] = usage.resident_mb(
                step.application.pid
            )
        self.results.memory_mb["largest process of PostgreSQL"] = self.stage.backends_mb()[0]
        for step in steps:
            self.stage.stop(step.application)

    def _written(self, application: str, requests: dict[str, list[bytes]]) -> dict[str, str]:
        return {
            name: write_requests(
                self.stage.folder / f"{application}-{name.replace('/', '-')}.requests", examples
            )
            for name, examples in requests.items()
        }

    def _step(self, application: Application, request: str, clients: int) -> Step:
        return Step(application, request, self._files[application.name][request], clients)

    def _send(self, application: Application, count: int) -> None:
        file = Path(self._files["service"][LIST])
        lines = file.read_text().splitlines(keepends=True)
        repeated = self.stage.folder / "repeated.requests"
        repeated.write_text("".join((lines * (count // len(lines) + 1))[:count]))
        self.load.run(Job(application.port, str(repeated), CLIENTS))

    def _say(self, what: str) -> None:
        print(f"bench: {time.monotonic() - self._began:4.0f} s, {what}", flush=True)
