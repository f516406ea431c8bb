"""Run the suites of renders: several at a time, in processes that have imported what all renders use.

A render's suite in an interpreter of its own spends seconds on importing the same packages and on compiling
the same files. Here each suite is a fork of one process that has the packages, in a folder in which only
the files that differ from the render before are new.
"""

import filecmp
import gc
import itertools
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from interpreters import interpreter
from render import PROOF

_ROOT = Path(__file__).parents[1]
IN_RENDERS = {
    Path("tests", path.name): path for path in sorted((_ROOT / "tests/in_renders").glob("*.py"))
}
"""Tests of documents, style and `proof`: they run in the suites of renders, and no render brings them to its user."""

_TIMEOUT_SECONDS = 600
_seconds = itertools.count(1)

# What is slow to import and common to many renders; a name that cannot be imported is passed over.
_PRELOADED = [
    "aiosmtpd.smtp",
    "aiosmtplib",
    "alembic.command",
    "alembic.config",
    "anyio._backends._asyncio",
    "argon2",
    "asyncpg",
    "cryptography.x509",
    "fastapi",
    "fastapi_offline",
    "httpcore",
    "httpx",
    "hypothesis",
    "jwt",
    "limits.aio.strategies",
    "openapi_spec_validator",
    "pgqueuer",
    "prometheus_client.core",
    "prometheus_client.multiprocess",
    "pydantic.v1",
    "pytest",
    "redis.asyncio",
    "schemathesis.specs.openapi.schemas",
    "sqlalchemy.ext.asyncio",
    "sqlmodel",
    "starlette.middleware.trustedhost",
    "starlette.templating",
    "structlog",
    "temporalio.testing",
    "temporalio.worker",
    "typer.rich_utils",
    "uuid_utils.compat",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
    "valkey.asyncio",
    "yaml",
    "zxcvbn",
]

# What is made of a suite's files, or of Unicode, and is as good for the next one.
_KEPT = {"__pycache__", ".hypothesis"}

# Not Temporal: what suites leave open there keeps it busy for good. Valkey is each suite's own.
_SHARED = ["TEST_DATABASE_URL", "TEST_PROVIDER_URL"]

_SERVE = """
import json, sys
from tests.servers import embedded
with embedded.starting(*sys.argv[1:]) as wait:
    wait()
    print(json.dumps({name: embedded.address(name) for name in sys.argv[1:]}), flush=True)
    sys.stdin.read()
"""


@dataclass
class Outcome:
    """How a suite ended."""

    collected: int = 0
    passed: int = 0
    deselected: int = 0
    other: int = 0
    """Failed, skipped, or expected to fail."""
    attacks: Counter[str] = field(default_factory=Counter)
    """On routes, by their class: what the tests note in `user_properties`."""
    seconds: float = 0.0
    processor_seconds: float = 0.0
    """Of the suite and what it started, but not of the servers that suites share."""
    output: str = ""
    is_part: bool = False
    """Whether arguments chose among its tests."""
    exit_code: int | None = None
    """Pytest's, or None if the process ended without a word."""
    environment: str = ""
    """In which it ran, if that was not the one that suites share."""

    @property
    def failed(self) -> list[str]:
        """The lines of pytest's summary that name what failed."""
        return [line for line in self.output.splitlines() if line.startswith(("FAILED ", "ERROR "))]

    @property
    def is_green(self) -> bool:
        """Whether everything that was collected has passed, and nothing but what was asked for left out."""
        left_out = self.other or (self.deselected and not self.is_part)
        return self.exit_code == 0 and self.collected == self.passed > 0 and not left_out


class _Counter:
    """A plugin of the render's pytest that counts."""

    def __init__(self) -> None:
        self.collected = self.passed = self.deselected = self.other = 0
        self.attacks: Counter[str] = Counter()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.collected = len(session.items)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.deselected += len(items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome != "passed" or hasattr(report, "wasxfail"):
            self.other += 1
        elif report.when == "call":
            self.passed += 1
            self.attacks.update(dict(report.user_properties))


@contextmanager
def serving(service: Path) -> Iterator[dict[str, str]]:
    """Start a render's embedded servers, and yield the variables that name them to any render's suite."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, *_SHARED],
        cwd=service,
        env=os.environ | {"PYTHONPATH": f"src{os.pathsep}."},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        yield json.loads(process.stdout.readline())
        # It ends with its input.


def spread(services: list[Path], over: int) -> list[list[str]]:
    """Share the test files of renders out among them: for each render, those that it runs.

    A file runs in one of `over` renders that have it with the same text, and in one at least.
    """
    having: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, service in enumerate(services):
        for test, text in suite_files(service).items():
            having[test, text].append(number)
    shares: list[list[str]] = [[] for _ in services]
    for n, ((test, _), numbers) in enumerate(having.items()):
        for number in numbers[n % min(over, len(numbers)) :: over]:
            shares[number].append(test)
    return shares


def record(service: Path, outcome: Outcome) -> None:
    """Keep the outcome of a render's suite beside the render."""
    (service.parent / "suite.json").write_text(json.dumps(vars(outcome)))


def users_service(service: Path) -> Path:
    """Return where a render is kept with what a team has added to it; nothing is there unless a test has added it."""
    return service.parent / "users" / "service"


def recorded(service: Path) -> Outcome | None:
    """Return the outcome that was kept, if one was."""
    kept = service.parent / "suite.json"
    if not kept.exists():
        return None
    values = json.loads(kept.read_text())
    return Outcome(**values | {"attacks": Counter(values["attacks"])})


def run_suite(
    service: Path,
    folder: Path,
    environment: dict[str, str],
    *arguments: str,
    changed: Mapping[str, str] | None = None,
    is_users: bool = False,
) -> Outcome:
    """Run the suite of the render `service` in `folder`, which keeps what is compiled for the next one.

    `arguments` are pytest's; `changed` are files with another text than the render's. One that `is_users` is run
    without the tests that judge documents and style.
    """
    mirror(service, folder, {} if is_users else _added_to(service))
    for path, text in (changed or {}).items():
        (folder / path).write_text(text)
        # Python knows a compiled file by second and size.
        os.utime(folder / path, (next(_seconds),) * 2)
    log = folder.with_suffix(".log")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    started = time.monotonic()
    process = context.Process(target=_suite, args=(folder, log, environment, arguments, sender))
    process.start()
    sender.close()
    process.join(_TIMEOUT_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    counts: dict[str, Any] = {}
    with suppress(EOFError):  # it ended without a word
        counts = receiver.recv() if receiver.poll() else {}
    return Outcome(
        **counts,
        seconds=time.monotonic() - started,
        output=log.read_text(errors="replace"),
        is_part=bool(arguments),
    )


def suite_files(service: Path) -> dict[str, str]:
    """Return the test files that the suite of a render runs, with their texts."""
    own = {path.relative_to(service): path for path in service.glob("tests/**/test_*.py")}
    found = sorted((own | _added_to(service)).items())
    return {path.as_posix(): file.read_text() for path, file in found}


def _added_to(service: Path) -> dict[Path, Path]:
    # What has no documents is no render but a runner's test.
    return IN_RENDERS if (service / "docs").is_dir() else {}


def mirror(source: Path, target: Path, added: Mapping[Path, Path] | None = None) -> None:
    """Make `target` hold the files of `source` and `added` ones, and leave alone those that it has already.

    Their times stay as they are, so that Python's compiled files beside them stay valid.
    """
    wanted = {path.relative_to(source): path for path in source.rglob("*") if path.is_file()}
    wanted |= added or {}
    for path in sorted(target.rglob("*"), reverse=True):
        relative = path.relative_to(target)
        if path.is_file() and relative not in wanted and not _KEPT & set(relative.parts):
            path.unlink()
    for relative, file in wanted.items():
        copy = target / relative
        if not copy.is_file() or not filecmp.cmp(file, copy, shallow=False):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    for path in sorted(target.rglob("*/"), reverse=True):
        if path.name == "__pycache__" and not any(path.parent.glob("*.py")):
            shutil.rmtree(path)
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _suite(
    folder: Path,
    log: Path,
    environment: dict[str, str],
    arguments: tuple[str, ...],
    results: Connection,
) -> None:
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(folder)
    own = {str(_ROOT / folder) for folder in ("", "scripts", "tests")}
    sys.path[:] = [entry for entry in sys.path if entry not in own]
    sys.path.append(str(PROOF))
    os.environ.update(environment)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # httpx looks for it on the whole path, at each request.
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]
    gc.freeze()
    counter = _Counter()
    preloaded = "ignore:Module already imported so cannot be rewritten"
    options = ["-q", "-p", "no:copie", "-p", "no:cacheprovider", "-W", preloaded]
    with interpreter(sys.path[:]) as sys.executable:
        code = pytest.main([*options, *arguments], plugins=[counter])
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    processor_seconds = sum(each.ru_utime + each.ru_stime for each in used)
    # By this way, because `exitcode` may be 255 for any process when several threads start and join some.
    results.send(vars(counter) | {"processor_seconds": processor_seconds, "exit_code": int(code)})
    results.close()
