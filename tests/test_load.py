"""A crowd at once: nothing deadlocks, nothing is lost, the default pool is enough."""

import asyncio
from pathlib import Path

import pytest

import load
from matrix import combinations
from test_demo import PASSWORD, demo

pytestmark = [pytest.mark.serial, pytest.mark.slow, pytest.mark.exhaustive]

SECONDS = 30


def test_64_clients_read_and_write(tmp_path: Path) -> None:
    answers = combinations()[0]
    with demo(
        tmp_path, answers, SEED_PASSWORD=PASSWORD, HTTP__TRUSTED_PROXIES='["127.0.0.1/32"]'
    ) as running:
        url = f"http://127.0.0.1:{running.port}"
        strategy = answers["tenant_strategy"]
        outcome = asyncio.run(load.run(url, PASSWORD, tenant_strategy=strategy, seconds=SECONDS))
    print(outcome)
    assert not outcome.failures, outcome
    assert max(outcome.statuses) < 500, outcome
    assert outcome.good >= 0.99, outcome
    # Each client got round several times: nobody waited for good.
    assert outcome.total > load.CLIENTS * 10, outcome
