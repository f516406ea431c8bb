"""What the service promises of its speed, and whether a run kept it."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.run import Results
from bench.scenarios import CREATE, LIST, READS


@dataclass(frozen=True, slots=True)
class Target:
    """A number and its limit."""

    name: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the limit was kept."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def targets(results: Results) -> Iterator[Target]:
    """Yield every target with what the run has found."""
    for request in READS:
        yield from _read(results, request)
    yield Target(f"{CREATE}: trips to PostgreSQL", results.trips["service"][CREATE].postgres, 5)
    floor = results.of("bare", LIST)
    middlewares = (
        results.of("with middlewares", LIST).cpu_ms - results.of("without middlewares", LIST).cpu_ms
    )
    yield Target("middlewares: CPU / bare floor", middlewares / floor.cpu_ms, 0.6)
    alone, disturbed = results.disturbed
    yield Target("p99 of others during logins / idle", disturbed.p99_ms / alone.p99_ms, 2)
    alone, beside = results.neighbours
    yield Target(
        "p99 of others beside a tenant that is held up / idle", beside.p99_ms / alone.p99_ms, 2
    )
    yield Target("start to first answer, seconds", results.start_seconds, 1.5)
    yield Target("RSS after 1,000 lists, MB", results.resident_mb, 130)
    few, many = results.by_tenants
    slower = f"{many.request}: throughput / {few.request}"
    yield Target(slower, many.per_second / few.per_second, 0.85, at_least=True)
    crowd = results.of("service", LIST, 64)
    yield Target(f"{LIST}, 64 clients: p99 / p50", crowd.p99_ms / crowd.p50_ms, 4)


def _read(results: Results, request: str) -> Iterator[Target]:
    service, bare = results.of("service", request), results.of("bare", request)
    guarded, trips = results.of("guarded", request), results.trips["service"][request]
    yield Target(f"{request}: trips to PostgreSQL", trips.postgres, 3)
    for name, count in trips.others.items():
        yield Target(f"{request}: trips to {name}", count, 1)
    yield Target(f"{request}: connections", trips.connections, 1)
    yield Target(f"{request}: CPU / bare floor", service.cpu_ms / bare.cpu_ms, 3.5)
    yield Target(f"{request}: CPU / guarded floor", service.cpu_ms / guarded.cpu_ms, 2.2)
    share = service.per_second / bare.per_second
    yield Target(f"{request}: throughput / bare floor", share, 0.28, at_least=True)
