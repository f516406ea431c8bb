"""What a run with several processes is busy with until its first test: pytest-xdist does not tell."""

import time
from threading import Event, Thread
from typing import Final

import pytest

from tests.servers import embedded

_EVERY_SECONDS: Final = 2.0


class Progress:
    """A plugin that reports on the start until all processes have collected."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._processes = len(config.option.tx)
        self._collected = 0
        self._begins = Event()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Start reporting."""
        Thread(target=self._report, daemon=True).start()

    def pytest_xdist_node_collection_finished(self) -> None:
        """Count a process that is done; after the last, the tests report themselves."""
        self._collected += 1
        if self._collected == self._processes:
            self._begins.set()

    def pytest_sessionfinish(self) -> None:
        """Stop reporting, if a process has ended early."""
        self._begins.set()

    def _report(self) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        began = time.monotonic()
        while terminal and not self._begins.wait(_EVERY_SECONDS):
            servers = "".join(f", {name} serves" for name in embedded.serving())
            terminal.ensure_newline()
            terminal.write_line(
                f"{time.monotonic() - began:.0f} s: {self._collected} of {self._processes}"
                f" processes have collected the tests{servers}",
                flush=True,
            )
