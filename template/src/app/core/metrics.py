"""What Prometheus reads from this process."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
    values,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_QUERY_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)


class Pool(Protocol):
    """A connection pool that can be asked for its state, as SQLAlchemy's `QueuePool` can."""

    def size(self) -> int:
        """Connections that it keeps."""
        ...

    def checkedin(self) -> int:
        """Connections that are free."""
        ...

    def checkedout(self) -> int:
        """Connections in use."""
        ...

    def overflow(self) -> int:
        """Connections beyond `size`; negative while it has not opened them all."""
        ...


class Metrics:
    """The metrics of one application, in a registry of its own.

    With several workers, whichever answers a scrape reports the durations of all, and says by the label `pid` that
    the rest is its own.
    """

    def __init__(self) -> None:
        self.registry = counted = CollectorRegistry()
        self._labels: Mapping[str, str] = {}
        if values.ValueClass._multiprocess:
            self._labels = {"pid": str(os.getpid())}
            # It reads from files what is counted in every process, this one as well.
            counted = CollectorRegistry()
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]  # the library's gap
        else:
            for collector in (ProcessCollector, PlatformCollector, GCCollector):
                collector(registry=self.registry)
        self._requests = Histogram(
            "http_request_duration_seconds",
            "From the first middleware to the last byte of the response.",
            ("method", "route", "status"),
            buckets=_REQUEST_BUCKETS,
            registry=counted,
        )
        self._queries = Histogram(
            "db_query_duration_seconds",
            "One round trip to PostgreSQL, without the wait for a connection.",
            buckets=_QUERY_BUCKETS,
            registry=counted,
        )
        self._lost_connections = Counter(
            "db_connections_lost",
            "Connections that a request took and did not return; they were closed when it ended.",
            ("route",),
            registry=counted,
        )
        # Looking a child up by its labels costs more than observing it.
        self._by_outcome: dict[tuple[str, str | None, int], Histogram] = {}

    def observe_request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request that has ended; `route` is the template of its path."""
        outcome = (method if method in _METHODS else "other", route, status // 100)
        child = self._by_outcome.get(outcome)
        if child is None:
            labels = (outcome[0], route or "unmatched", f"{outcome[2]}xx")
            child = self._by_outcome[outcome] = self._requests.labels(*labels)
        child.observe(seconds)

    def observe_query(self, seconds: float) -> None:
        """Count a round trip to PostgreSQL."""
        self._queries.observe(seconds)

    def count_lost_connection(self, route: str | None) -> None:
        """Count a connection that a request has not returned."""
        self._lost_connections.labels(route or "unmatched").inc()

    def watch_running_requests(self, count: Callable[[], int]) -> None:
        """Report how many requests run, read at each scrape."""
        self.watch(lambda: [_gauge("http_requests_in_progress", "Requests that run.", count())])

    def watch_pool(self, pool: Pool) -> None:
        """Report the state of a connection pool, read at each scrape."""
        self.watch(lambda: _pool_metrics(pool))

    def watch(self, read: Callable[[], list[Metric]]) -> None:
        """Report what `read` returns at each scrape."""
        self.registry.register(_Reading(read, self._labels))

    def render(self) -> bytes:
        """Return everything in Prometheus' text format, `CONTENT_TYPE`."""
        return generate_latest(self.registry)


class _Reading(Collector):
    def __init__(self, read: Callable[[], list[Metric]], labels: Mapping[str, str]) -> None:
        self._read = read
        self._labels = labels

    def collect(self) -> Iterator[Metric]:
        for metric in self._read():
            metric.samples = [
                sample._replace(labels={**sample.labels, **self._labels})
                for sample in metric.samples
            ]
            yield metric


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value)


def _pool_metrics(pool: Pool) -> list[Metric]:
    connections = GaugeMetricFamily(
        "db_pool_connections", "Connections to PostgreSQL.", labels=("state",)
    )
    connections.add_metric(("free",), pool.checkedin())
    connections.add_metric(("used",), pool.checkedout())
    return [
        connections,
        _gauge("db_pool_size", "Connections that the pool keeps.", pool.size()),
        _gauge("db_pool_overflow", "Connections beyond that.", max(0, pool.overflow())),
    ]
