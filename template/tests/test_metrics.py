"""What Prometheus reads."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.pool import QueuePool

from app.core.metrics import Metrics

ROOT = Path(__file__).parents[1]


def samples(metrics: Metrics) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_two_applications_do_not_share_numbers() -> None:
    one, two = Metrics(), Metrics()
    one.observe_request("GET", "/a", 200, 0.01)
    counted = "http_request_duration_seconds_count['/a', '2xx', 'GET']"
    assert samples(one)[counted] == 1
    assert counted not in samples(two)


def test_labels_are_few_whatever_clients_send() -> None:
    metrics = Metrics()
    before = len(samples(metrics))
    for number in range(100):
        metrics.observe_request(f"M{number}", None, 404, 0.01)
    buckets, sum_and_count_and_created = 12, 3
    assert len(samples(metrics)) - before == buckets + sum_and_count_and_created


def test_queries_and_running_requests() -> None:
    metrics = Metrics()
    metrics.observe_query(0.002)
    metrics.watch_running_requests(lambda: 4)
    found = samples(metrics)
    assert found["db_query_duration_seconds_count[]"] == 1
    assert found["db_query_duration_seconds_sum[]"] == 0.002
    assert found["http_requests_in_progress[]"] == 4


def test_a_pool_is_read_at_each_scrape() -> None:
    metrics = Metrics()
    pool = QueuePool(FakeConnection, pool_size=2, max_overflow=3)  # type: ignore[arg-type]  # never queried
    metrics.watch_pool(pool)
    assert samples(metrics)["db_pool_connections['used']"] == 0
    held = [pool.connect() for _ in range(3)]
    found = samples(metrics)
    assert found["db_pool_connections['used']"] == 3
    assert found["db_pool_connections['free']"] == 0
    assert found["db_pool_size[]"] == 2
    assert found["db_pool_overflow[]"] == 1
    for connection in held:
        connection.close()
    assert samples(metrics)["db_pool_connections['used']"] == 0


WORKER = """
from app.core.metrics import Metrics

metrics = Metrics()
metrics.observe_query(0.25)
metrics.watch_running_requests(lambda: 1)
print(metrics.render().decode())
"""


@pytest.mark.slow
def test_workers_share_what_they_count_and_tell_their_own_apart(tmp_path: Path) -> None:
    shared = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": "src"}
    scrapes = [
        subprocess.run(
            [sys.executable, "-c", WORKER],
            env=shared,
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for _ in range(2)
    ]
    assert "db_query_duration_seconds_sum 0.25" in scrapes[0]
    assert "db_query_duration_seconds_sum 0.5" in scrapes[1]
    own = [re.findall(r'http_requests_in_progress\{pid="(\d+)"\} 1.0', text) for text in scrapes]
    assert len({*own[0], *own[1]}) == 2


class FakeConnection:
    def rollback(self) -> None: ...
    def close(self) -> None: ...
