"""One run of `app dev`, from the first server to the last."""

import os
import queue
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

from watchfiles import watch

from app.dev import network
from app.dev.ancestors import Ancestors
from app.dev.data_folder import DataFolder
from app.dev.environment import settings
from app.dev.errors import DevError, ServerFailed, Stopping, ending
from app.dev.processes import SERVICE_WAVE, Command, Process, Supervisor, python
from app.dev.public_address import public_pages
from app.dev.screen import Screen
from app.dev.servers.base import start_all
from app.dev.stack import PROCESSES, SERVERS
from app.services.samples import logins

PACKAGE: Final = Path(__file__).resolve().parents[1]
LOOK_EVERY_SECONDS: Final = 0.25
LIVE_WITHIN_SECONDS: Final = 60.0
RESTART_GRACE_SECONDS: Final = 3.0
# For each of the two waves: all has to be gone within five seconds.
ABRUPT_GRACE_SECONDS: Final = 1.5
CALM_GRACE_SECONDS: Final = 5.0


class Ended(NamedTuple):
    """Why the session ends."""

    sentence: str
    exit_code: int
    grace_seconds: float


class Session:
    """The servers, the service's processes, and what is done when one of them ends."""

    def __init__(
        self, folder: DataFolder, ancestors: Ancestors, host: str, port: int, reload: bool
    ) -> None:
        self.screen = Screen()
        self._began = time.monotonic()
        self._folder = folder
        self._host, self._port, self._reload = host, port, reload
        self._supervisor = Supervisor(self.screen.line)
        self._ancestors = ancestors
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._service: dict[str, Process] = {}
        self._restarted = False

    def run(self) -> int:
        """Run until something ends it; the exit code is 0 when a person did."""
        with self._signals(), self._supervisor:
            threading.Thread(target=self._start, name="start", daemon=True).start()
            ended = self._wait()
            self.screen.note(ended.sentence)
            self._supervisor.stop(ended.grace_seconds)
        self.screen.note("everything has stopped")
        return ended.exit_code

    def _wait(self) -> Ended:
        while True:
            try:
                return self._ended.get(timeout=LOOK_EVERY_SECONDS)
            except queue.Empty:
                pass
            if self._ancestors.are_gone():
                return Ended(
                    "the command that started this has ended: stopping", 1, ABRUPT_GRACE_SECONDS
                )
            if self._supervisor.guardian.poll() is not None:
                return Ended("the guardian process was killed: stopping", 1, ABRUPT_GRACE_SECONDS)
            for process in self._supervisor.lost():
                if not self._waits_for_a_change(process):
                    return Ended(_obituary(process), 1, ABRUPT_GRACE_SECONDS)

    def _waits_for_a_change(self, process: Process) -> bool:
        # A file saved with a mistake in it must not cost the whole session.
        if (
            not self._restarted
            or process.name not in self._service
            or (process.returncode or 0) <= 0
        ):
            return False
        process.essential = False
        self.screen.note(f"{process.name} {ending(process.returncode or 0)}: waiting for a change")
        return True

    def _start(self) -> None:
        try:
            self._bring_up()
            if self._reload:
                self._restart_on_changes()
        except Stopping:
            return
        except DevError as exc:
            self._ended.put(Ended(str(exc), 1, ABRUPT_GRACE_SECONDS))
        except Exception:
            self._ended.put(Ended(traceback.format_exc(), 1, ABRUPT_GRACE_SECONDS))

    def _bring_up(self) -> None:
        secrets = self._folder.secrets(os.environ.get("SEED_PASSWORD"))
        servers = [server(self._folder.path / server.name) for server in SERVERS]
        self.screen.note(f"starting {', '.join(server.name for server in servers)}")
        start_all(servers, self._supervisor)
        values = settings(os.environ, servers, secrets, self._host, self._port)
        self._folder.write_environment(values)
        environment = {**os.environ, **self._colours(), **values}
        self._supervisor.run("migrate", _app("migrate", environment=environment))
        for name in PROCESSES:
            arguments = ("--port", str(self._port)) if name == "api" else ()
            command = _app(name, *arguments, environment=environment)
            self._service[name] = self._supervisor.start(
                name, command, SERVICE_WAVE, essential=True
            )
        self._until_live(f"{network.local_url(self._host, self._port)}/health/live")
        self._supervisor.run("seed", _app("seed", environment=environment))
        pages = dict(public_pages(self._host, self._port))
        for server in servers:
            pages |= server.pages()
        seconds = time.monotonic() - self._began
        people = {
            login.email: f"{login.role} of {login.tenant}" if login.tenant else login.role
            for login in logins()
        }
        self.screen.summary(f"Ready after {seconds:.1f} s", pages, people, secrets.seed_password)

    def _until_live(self, url: str) -> None:
        deadline = time.monotonic() + LIVE_WITHIN_SECONDS
        while not network.answers(url):
            if self._supervisor.stopping.wait(0.05):
                raise Stopping
            if time.monotonic() > deadline:
                raise ServerFailed(f"The API did not answer {url} in {LIVE_WITHIN_SECONDS:.0f} s.")

    def _restart_on_changes(self) -> None:
        for changes in watch(PACKAGE, debounce=300, stop_event=self._supervisor.stopping):
            names = sorted({str(Path(path).relative_to(PACKAGE)) for _, path in changes})
            self.screen.note(
                f"{', '.join(names[:3])} changed: restarting {' and '.join(PROCESSES)}"
            )
            self._restarted = True
            old = list(self._service.values())
            for process in self._supervisor.restart(old, RESTART_GRACE_SECONDS):
                self._service[process.name] = process

    def _colours(self) -> dict[str, str]:
        if not self.screen.is_terminal:
            return {"NO_COLOR": "1"}
        return {} if "NO_COLOR" in os.environ else {"FORCE_COLOR": "1"}

    @contextmanager
    def _signals(self) -> Iterator[None]:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            # Under `nohup` it is ignored, and stays so.
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._supervisor.stopping.is_set():
            self._supervisor.hurry.set()
        self._ended.put(Ended("stopping; Ctrl-C again kills", 0, CALM_GRACE_SECONDS))


def _app(*arguments: str, environment: dict[str, str]) -> Command:
    return python("-m", "app", *arguments, env=environment)


def _obituary(process: Process) -> str:
    sentence = f"{process.name} {ending(process.returncode or 0)}: stopping the rest"
    return f"{process.output()}\n{sentence}".strip() if process.muted else sentence
