"""`make dev` at a person's terminal: what ends is started again, and what would fail or drop something is said."""

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from conftest import Renderer
from test_demo import _answers, _happens

pytestmark = [pytest.mark.serial, pytest.mark.slow]

PATIENCE_SECONDS = 120
PORT = "18291"
ANSWERS = {"background_engine": "postgres", "rate_limit_backend": "none"}
COLUMN = "    colour: str | None = Field(default=None, max_length=20)\n"


class Dev:
    """A running `app dev`, and what its terminal shows."""

    def __init__(self, service: Path) -> None:
        self.screen = ""
        master, slave = pty.openpty()
        self._keyboard = master
        self.process = psutil.Popen(
            [sys.executable, "-m", "app", "dev"],
            cwd=service,
            env=os.environ | {"PYTHONPATH": "src", "PORT": PORT, "NO_COLOR": "1", "COLUMNS": "300"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        # Linux answers EIO when the last writer has gone.
        with contextlib.suppress(OSError):
            while read := os.read(self._keyboard, 65536):
                self.screen += re.sub(r"\x1b\[[0-9;]*m", "", read.decode(errors="replace"))

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._keyboard, text.encode())

    def shows(self, text: str, *, times: int = 1) -> None:
        """Wait for a text."""
        until(lambda: self.screen.count(text) >= times, lambda: self.screen[-6000:])

    def child(self, command: str) -> int:
        """The pid of the child that runs a command of the service."""
        [pid] = [
            child.pid
            for child in self.process.children(recursive=True)
            if child.cmdline()[2:4] == ["app", command]
        ]
        return int(pid)


def until(what: Callable[[], bool], told: Callable[[], str] = str) -> None:
    """Wait until something is so."""
    assert _happens(what, PATIENCE_SECONDS), told()


@contextlib.contextmanager
def dev(service: Path, *, ends_with: int = 0) -> Iterator[Dev]:
    """Run one; unless it ends by itself, with the signal of Ctrl-C."""
    running = Dev(service)
    try:
        yield running
        if ends_with == 0:
            running.process.send_signal(signal.SIGINT)
        assert running.process.wait(PATIENCE_SECONDS) == ends_with, running.screen[-6000:]
    finally:
        with contextlib.suppress(psutil.Error):
            # Its guardian ends what it has started.
            running.process.kill()


@pytest.fixture(scope="module")
def service(render: Renderer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that the tests may change."""
    copy = tmp_path_factory.mktemp("dev") / "service"
    return Path(shutil.copytree(render(**ANSWERS), copy))


def command(service: Path, *arguments: str) -> None:
    """Run a command in another terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=service,
        env=os.environ | {"PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_ends_is_started_again_and_what_would_fail_is_said(service: Path) -> None:
    model = service / "src/app/models/tenant/projects.py"
    route = service / "src/app/api/v1/projects.py"
    with dev(service) as running:
        running.shows("Ready after")
        for number, name in enumerate(("worker", "api", "worker", "api")):
            before = running.child(name)
            os.kill(before, signal.SIGKILL)
            pause = " in 1 s" if number > 1 else ""
            running.shows(f"{name} was killed by SIGKILL: starting it again{pause}")
            until(partial(_lives, running, name, before))
        until(lambda: _answers(int(PORT)))

        text = route.read_text()
        route.write_text(f"{text}\ndef broken(:\n")
        running.shows("api ended with exit code 1: waiting for a change")
        assert running.screen.count("SyntaxError") == 1
        route.write_text(text)
        until(lambda: _answers(int(PORT)), lambda: running.screen[-6000:])

        without = model.read_text()
        model.write_text(without + COLUMN)
        running.shows("The models of the tenant tree have what no migration makes: add_column")
        command(service, "migration", "-m", "colours")
        running.shows("The code is ahead of the database")
        command(service, "migrate")
        model.write_text(without)
        running.shows("remove_column")
        command(service, "migration", "-m", "no colours")
        running.shows("The code is ahead of the database", times=2)


def _lives(running: Dev, name: str, before: int) -> bool:
    with contextlib.suppress(ValueError, psutil.Error):
        return running.child(name) != before
    return False


def test_a_person_is_asked_before_something_drops(service: Path) -> None:
    with dev(service, ends_with=1) as running:
        running.shows("Go on? [y/N]")
        assert "op.drop_column('project_tasks', 'colour')" in running.screen.replace('"', "'")
        running.type("n\n")
    with dev(service) as running:
        running.shows("Go on? [y/N]")
        running.type("y\n")
        running.shows("Ready after")
    with dev(service) as running:
        running.shows("Ready after")
        assert "Go on?" not in running.screen
