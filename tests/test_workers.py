"""Several workers behind one port: they are replaced while requests go on, and end together."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event

import psutil
import pytest

from test_demo import demo

pytestmark = [pytest.mark.serial, pytest.mark.slow]

PATIENCE_SECONDS = 120


def test_a_reload_loses_no_request(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        service = Path(psutil.Process(running.one(r" -m app dev$")).cwd())
        log = tmp_path / "workers.log"
        with log.open("w") as output:
            parent = subprocess.Popen(
                [sys.executable, "-m", "app", "api", "--workers", "2", "--port", "0"],
                cwd=service,
                # PostgreSQL and the rest are the demo's, by the settings that it keeps in its folder.
                env=os.environ | dict([running.mark]) | {"PYTHONPATH": str(service / "src")},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        until(lambda: log.read_text().count("startup complete") == 2)
        url = f"http://127.0.0.1:{psutil.Process(parent.pid).net_connections()[0].laddr.port}"
        before, stop = workers(parent.pid), Event()
        with ThreadPoolExecutor(4) as clients:
            answers = [clients.submit(ask, f"{url}/health/ready", stop) for _ in range(4)]
            parent.send_signal(signal.SIGHUP)
            try:
                until(lambda: len(workers(parent.pid) - before) == 2 == len(workers(parent.pid)))
            finally:
                stop.set()
        statuses = [status for answer in answers for status in answer.result()]
        assert len(statuses) > 100
        assert set(statuses) == {200}
        parent.terminate()
        assert parent.wait(PATIENCE_SECONDS) == 0, log.read_text()[-4000:]


def ask(url: str, stop: Event) -> list[int]:
    """The statuses of one request after the other, each over a connection of its own."""
    statuses = []
    while not stop.is_set():
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as response:  # noqa: S310  our own URL
            statuses.append(response.status)
    return statuses


def workers(parent: int) -> set[int]:
    """The processes that serve; not one that has just ended."""
    found = set()
    for child in psutil.Process(parent).children():
        with suppress(psutil.Error):
            if any("spawn_main" in word for word in child.cmdline()):
                found.add(child.pid)
    return found


def until(happens: Callable[[], bool]) -> None:
    """Wait for it, within reason."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.1)
