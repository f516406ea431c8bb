"""`make demo`, and the README's walk through it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import batched
from pathlib import Path
from typing import Any

import psutil
import pytest

from conftest import Renderer
from matrix import Answers, combinations, words
from plan import in_turn
from render import ROOT

pytestmark = [pytest.mark.serial, pytest.mark.slow]

GIVEN_UP_SECONDS = 300
"""A hung start is called one; how soon a demo answers is told, because these run beside other tests."""
CALM_SECONDS = 60
GONE_SECONDS = 60
PASSWORD = "kelp-orbit-brass-9"
STRATEGIES = sorted({answers["tenant_strategy"] for answers in combinations()})
VICTIMS = ("make", "supervisor", "postgres", "make")


@dataclass
class Demo:
    """A running demo, in a process group of its own as in a terminal."""

    make: subprocess.Popen[str]
    port: int
    log: Path
    mark: tuple[str, str]
    first_answer_seconds: float = 0.0
    seen: set[Any] = field(default_factory=set)

    def processes(self) -> dict[int, str]:
        """Every process of it that is alive, with its command.

        Those that descend from make, also after it has ended, and those that have its mark in the
        environment; PostgreSQL's overwrite theirs, the guardian leaves the family.
        """
        with contextlib.suppress(psutil.Error):
            make = psutil.Process(self.make.pid)
            self.seen |= {make, *make.children(recursive=True)}
        self.seen |= {process for process in psutil.process_iter() if self._is_marked(process)}
        return dict(filter(None, map(_alive, self.seen)))

    def _is_marked(self, process: Any) -> bool:
        try:
            return self.mark in process.environ().items()
        except (psutil.Error, OSError):
            return False

    def one(self, pattern: str) -> int:
        """The pid of the only process whose command matches."""
        running = self.processes()
        pids = [pid for pid, command in running.items() if re.search(pattern, command)]
        assert len(pids) == 1, running
        return pids[0]

    def gone_within(self, seconds: float) -> bool:
        """Whether there is a moment in the next `seconds` at which no process is left."""
        return _happens(lambda: not self.processes(), seconds)


def _alive(process: Any) -> tuple[int, str] | None:
    try:
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            return process.pid, " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        pass
    return None


@contextlib.contextmanager
def demo(folder: Path, answers: Answers | None = None, **environment: str) -> Iterator[Demo]:
    """Start one, of the default answers or others, and wait for its first answer and its summary.

    What is left of it at the end is killed.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mark = ("DEMO_MARK", f"{folder.name}-{port}")
    log = folder / "demo.log"
    started = time.monotonic()
    with log.open("w") as output:
        make = subprocess.Popen(
            ["make", "demo", f"PORT={port}", f"ANSWERS={words(answers or {})}"],
            cwd=ROOT,
            env=os.environ | environment | dict([mark]),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    running = Demo(make, port, log, mark)
    try:
        first = _happens(lambda: _answers(port) or make.poll() is not None, GIVEN_UP_SECONDS)
        assert first, f"no answer in {GIVEN_UP_SECONDS} s\n{log.read_text()[-8000:]}"
        running.first_answer_seconds = time.monotonic() - started
        ready = _happens(lambda: "Ready after" in log.read_text(), GIVEN_UP_SECONDS)
        assert ready, log.read_text()[-8000:]
        yield running
    finally:
        for pid in running.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        make.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _happens(what: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.1)
    return what()


def _walk(port: int) -> str:
    """The README's commands as they stand, but for the port."""
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"## A walk through it.*?```sh\n(.*?)```", readme, re.DOTALL)
    assert block
    assert block[1].count("127.0.0.1:8000") == 1
    return block[1].replace("127.0.0.1:8000", f"127.0.0.1:{port}")


def test_walk_of_the_readme(tmp_path: Path, tell: Callable[[str], None]) -> None:
    with demo(tmp_path, SEED_PASSWORD=PASSWORD) as running:
        tell(f"make demo: first answer after {running.first_answer_seconds:.0f} s")
        walk = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", _walk(running.port)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert walk.returncode == 0, walk.stdout + walk.stderr
        answers = _documents(walk.stdout)
        registered, verified, created, listed, second, none, refused = answers
        assert "ada@example.com" not in json.dumps(registered)
        assert verified["user"]["email"] == "ada@example.com"
        assert verified["tenant"]["slug"] == "analytical"
        assert [project["id"] for project in listed["items"]] == [created["id"]]
        assert created["name"] == "Difference engine"
        assert second["slug"] == "jacquard"
        assert none == {"items": [], "next_cursor": None}
        assert (refused["status"], refused["type"]) == (403, "/problems/tenant-mismatch")
        assert PASSWORD in running.log.read_text()

        os.killpg(running.make.pid, signal.SIGINT)  # what Ctrl-C does in a terminal
        assert running.gone_within(CALM_SECONDS), running.processes()


@pytest.mark.parametrize("strategies", in_turn(list(batched(STRATEGIES, 2))), ids="-".join)
def test_walks_of_services_readmes_side_by_side(
    strategies: tuple[str, ...], render: Renderer, tmp_path: Path
) -> None:
    """Word for word: they take the port from the environment. Of each, one process is killed at the end."""
    with contextlib.ExitStack() as stack:
        running = []
        for strategy in strategies:
            (tmp_path / strategy).mkdir()
            started = demo(tmp_path / strategy, {"tenant_strategy": strategy})
            running.append(stack.enter_context(started))
        for strategy, service in zip(strategies, running, strict=True):
            readme = (render(tenant_strategy=strategy) / "README.md").read_text()
            _check_walk(readme, service.port)
        for strategy, service in zip(strategies, running, strict=True):
            _check_that_nothing_is_left(service, VICTIMS[STRATEGIES.index(strategy)])


def _check_walk(readme: str, port: int) -> None:
    block = re.search(r"^## With curl\n.*?```bash\n(.*?)```", readme, re.DOTALL | re.MULTILINE)
    assert block
    walk = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block[1]],
        env=os.environ | {"PORT": str(port)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert walk.returncode == 0, walk.stdout + walk.stderr
    _registered, verified, created, listed, second, none = _documents(walk.stdout)
    assert verified["tenant"]["status"] == "provisioning"
    assert [project["id"] for project in listed["items"]] == [created["id"]]
    assert second["slug"] == f"{verified['tenant']['slug']}-two"
    assert none == {"items": [], "next_cursor": None}


def _documents(text: str) -> list[Any]:
    decoder, found, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        found.append(document)
        rest = rest[end:].lstrip()
    return found


def _check_that_nothing_is_left(running: Demo, victim: str) -> None:
    assert len(running.processes()) > 5
    pid = {
        "make": lambda: running.make.pid,
        "supervisor": lambda: running.one(r" -m app dev$"),
        "postgres": lambda: running.one(r"bin/postgres -D"),
    }[victim]()
    os.kill(pid, signal.SIGKILL)
    if victim == "make":
        running.make.wait()
    assert running.gone_within(GONE_SECONDS), running.processes()
