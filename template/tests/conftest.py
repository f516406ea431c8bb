"""How a run goes: its servers, its order, its processes. What tests ask for is in fixtures.py."""

import gc
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests import unchanged
from tests.programs import NGINX, PGBOUNCER
from tests.progress import Progress
from tests.servers import embedded

# Not skipped tests: a run that should have them and lacks a program has fewer tests, and the header says so. Named on
# the command line, the file is run, and says what is missing.
_NEEDED: Final = {"test_pooler.py": PGBOUNCER, "test_reverse_proxy.py": NGINX}
collect_ignore = [file for file, program in _NEEDED.items() if program is None]

_running = ExitStack()
_BEFORE = pytest.StashKey[unchanged.Snapshot]()
_DIFFERENCES = pytest.StashKey[list[str]]()
_STARTED = pytest.StashKey[Callable[[], None]]()


def pytest_configure(config: pytest.Config) -> None:
    """Own the servers in one process of the run; import the application in those alone that run tests."""
    # Until the tests begin there is nothing but imports, which leave no garbage.
    gc.disable()
    is_one_of_many = hasattr(config, "workerinput")
    if not is_one_of_many and not config.option.collectonly:
        config.stash[_BEFORE] = unchanged.snapshot()
        config.stash[_STARTED] = _running.enter_context(embedded.starting(*_early(config)))
    if config.getoption("tx", None) and not is_one_of_many:
        config.pluginmanager.register(Progress(config))
    else:
        config.pluginmanager.import_plugin("tests.fixtures")


def _early(config: pytest.Config) -> Iterable[str]:
    """Return the servers that start before the tests ask for them: all of them, where no test was chosen."""
    is_chosen = config.option.keyword or any(Path(name).suffix for name in config.args)
    return () if is_chosen else embedded.known()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow tests first, so that none of them is what everybody waits for at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Leave what has been imported to itself: looking through it for garbage takes a tenth of the run."""
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Wait for the servers: pytest-xdist hands out no test before."""
    gc.enable()
    if _STARTED in session.config.stash:
        session.config.stash[_STARTED]()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that leaves the service's files otherwise than it found them."""
    if (before := session.config.stash.get(_BEFORE, None)) is not None:
        found = session.config.stash[_DIFFERENCES] = unchanged.differences(
            before, unchanged.snapshot()
        )
        if found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Name those files."""
    if found := config.stash.get(_DIFFERENCES, None):
        terminalreporter.section("While the tests ran, files of the service were touched")
        terminalreporter.write_line(
            "Unless that was you, a test did it: it may write into tmp_path alone."
        )
        for line in found:
            terminalreporter.write_line(line)


def pytest_report_header() -> list[str]:
    """Tell whether the service is tried behind PgBouncer and nginx."""
    return [
        f"pgbouncer: {PGBOUNCER or 'not installed, so tests/test_pooler.py is left out'}",
        f"nginx: {NGINX or 'not installed, so tests/test_reverse_proxy.py is left out'}",
    ]


def pytest_unconfigure() -> None:
    """Stop the servers."""
    _running.close()


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` means: one more than cores, as some tests wait for others' clocks."""
    return (os.cpu_count() or 1) + 1
