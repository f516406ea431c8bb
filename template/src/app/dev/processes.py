"""Child processes that end with this one, however it ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from app.dev import guardian
from app.dev.errors import CommandFailed, Stopping

SOURCES = Path(__file__).resolve().parents[2]
TAIL_LINES = 40

# The child itself tells the guardian, over what is its stderr until then, and only then becomes the
# command: no moment in which this process can be killed and leave behind a child that nobody knows.
ANNOUNCE = ("/bin/sh", "-c", 'echo "+ $$ $0" >&2 && exec "$@" 2>&1')

# The highest ends first: servers outlive what uses them.
SERVERS_WAVE = 0
SERVICE_WAVE = 1


@dataclass(frozen=True)
class Command:
    """What to run, and how it is asked to stop."""

    argv: Sequence[str]
    env: Mapping[str, str]
    stdin: str = field(default="", repr=False)
    """Given to it whole; shorter than a pipe's buffer (64 KiB)."""
    stop_signal: signal.Signals = signal.SIGTERM
    account: tuple[int, int] | None = None
    """User and group to become first; only for root."""
    folder: Path | None = None
    """Where it runs, if not where this process does."""


def python(*arguments: str, env: Mapping[str, str] | None = None) -> Command:
    """This interpreter with this source tree, whatever the working directory is."""
    base = dict(os.environ if env is None else env)
    paths = [str(SOURCES), *filter(None, [base.get("PYTHONPATH")])]
    base |= {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    return Command([sys.executable, *arguments], base)


class Process:
    """A running command in a process group of its own."""

    def __init__(
        self,
        name: str,
        command: Command,
        wave: int,
        *,
        guardian_fd: int,
        muted: bool,
        on_line: Callable[[str], None],
    ) -> None:
        self.name = name
        self.command = command
        self.wave = wave
        self.essential = False
        """Whether everything has to end when it does."""
        self.muted = muted
        self.asked_to_end = False
        self._on_line = on_line
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        user, group = command.account or (None, None)
        self._popen = subprocess.Popen(
            [*ANNOUNCE, str(int(command.stop_signal)), *command.argv],
            env=command.env,
            cwd=command.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=guardian_fd,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=[] if command.account else None,
        )
        self.pid = self._popen.pid
        self._reader = threading.Thread(target=self._read, name=f"{name} output", daemon=True)
        self._reader.start()
        assert self._popen.stdin is not None  # noqa: S101  a PIPE was asked for
        with suppress(BrokenPipeError), self._popen.stdin as stdin:
            stdin.write(command.stdin.encode())

    @property
    def returncode(self) -> int | None:
        """Exit code, negative signal, or `None` while it runs."""
        return self._popen.poll()

    def output(self) -> str:
        """The last lines that it wrote."""
        # A grandchild may hold the pipe open for longer than anyone wants to wait.
        self._reader.join(timeout=0.5)
        return "\n".join(self._tail)

    def signal(self, number: int) -> None:
        """Send a signal to the whole group; nothing happens when it is gone."""
        # macOS answers EPERM for a group of which only a zombie is left.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def wait(self, timeout_seconds: float | None = None) -> int | None:
        """The return code, or `None` after the timeout."""
        try:
            return self._popen.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None

    def finish(self) -> None:
        """Kill what is left of the group and print its last words."""
        self.signal(signal.SIGKILL)
        self._popen.wait()
        self._reader.join(timeout=0.5)

    def _read(self) -> None:
        assert self._popen.stdout is not None  # noqa: S101  a PIPE was asked for
        with self._popen.stdout as stdout:
            for raw in stdout:
                line = raw.decode(errors="replace").rstrip()
                self._tail.append(line)
                if not self.muted:
                    self._on_line(line)


class Supervisor:
    """Starts processes and stops them again.

    Used as a context manager; on leaving it stops everything. When this process is killed outright, a
    guardian process stops everything within `guardian.GRACE_SECONDS`. Starting and stopping may happen
    in different threads. Stopping goes wave by wave, the highest first.
    """

    def __init__(self, on_line: Callable[[str, str], None] = lambda name, line: None) -> None:
        self._on_line = on_line
        self._processes: list[Process] = []
        self._lock = threading.Lock()
        self.stopping = threading.Event()
        self.hurry = threading.Event()
        """Set to end a running `stop` with SIGKILL at once."""
        announcements, self._guardian_fd = os.pipe()
        self.guardian = subprocess.Popen(
            # -I and -S: nothing of the environment, nothing of site-packages.
            [sys.executable, "-I", "-S", guardian.__file__],
            stdin=announcements,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            # It keeps what was made inheritable, so that a lock on a data folder lasts until the
            # servers in it have ended.
            close_fds=False,
        )
        os.close(announcements)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        os.close(self._guardian_fd)
        self.guardian.wait()

    def start(
        self,
        name: str,
        command: Command,
        wave: int,
        *,
        essential: bool = False,
        muted: bool = False,
    ) -> Process:
        """A new process, which is stopped with all others.

        Raises:
            Stopping: it is too late for that.
        """
        with self._lock:
            if self.stopping.is_set():
                raise Stopping
            process = Process(
                name,
                command,
                wave,
                guardian_fd=self._guardian_fd,
                muted=muted,
                on_line=lambda line: self._on_line(name, line),
            )
            process.essential = essential
            self._processes.append(process)
        return process

    def run(self, name: str, command: Command, *, muted: bool = False) -> None:
        """Start a command and wait for its success.

        Raises:
            CommandFailed: it ended otherwise.
            Stopping: it was stopped with everything else.
        """
        process = self.start(name, command, SERVICE_WAVE, muted=muted)
        returncode = process.wait()
        self.forget(process)
        if self.stopping.is_set():
            raise Stopping
        if returncode:
            raise CommandFailed(name, returncode, process.output() if muted else "")

    def restart(self, processes: Sequence[Process], grace_seconds: float) -> list[Process]:
        """The same commands in new processes, after the old ones have ended."""
        self._end(processes, grace_seconds)
        return [
            self.start(process.name, process.command, process.wave, essential=True)
            for process in processes
        ]

    def lost(self) -> list[Process]:
        """Essential processes that ended without being asked to."""
        with self._lock:
            return [
                process
                for process in self._processes
                if process.essential and not process.asked_to_end and process.returncode is not None
            ]

    def forget(self, process: Process) -> None:
        """Drop a process that has ended, and whatever it left in its group."""
        process.finish()
        with self._lock:
            if process in self._processes:
                self._processes.remove(process)
                # A guardian that was killed must not keep `stop` from stopping.
                with suppress(BrokenPipeError):
                    os.write(self._guardian_fd, f"- {process.pid}\n".encode())

    def stop(self, grace_seconds: float = 8) -> None:
        """End every process: asked first, killed when `grace_seconds` have passed for its wave."""
        with self._lock:
            self.stopping.set()
            processes = list(self._processes)
        for wave in sorted({process.wave for process in processes}, reverse=True):
            self._end([process for process in processes if process.wave == wave], grace_seconds)

    def _end(self, processes: Sequence[Process], grace_seconds: float) -> None:
        for process in processes:
            process.asked_to_end = True
            # That its clients hang up is no news.
            process.muted = process.muted or process.wave == SERVERS_WAVE
            process.signal(process.command.stop_signal)
        deadline = time.monotonic() + grace_seconds
        for process in processes:
            while process.wait(0.05) is None:
                if self.hurry.is_set() or time.monotonic() > deadline:
                    break
        for process in processes:
            self.forget(process)
