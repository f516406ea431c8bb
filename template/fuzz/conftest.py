"""Fixtures and options of `make fuzz`; servers and data come from the tests."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass

import pytest
from schemathesis.specs.openapi.schemas import OpenApiSchema

from app.core.settings import Settings
from fuzz.document import described
from tests.routes.requests import World, world_of

pytest_plugins = ["tests.conftest"]
# Where a machine's step fails, it should say what was compared.
pytest.register_assert_rewrite("fuzz.life")


class Figures:
    """A plugin that adds up what the tests of all processes count."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add what one test has counted."""
        if report.when == "call":
            self.counted.update(dict(report.user_properties))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how much was tried."""
        counted = ", ".join(f"{n} {what}" for what, n in self.counted.items())
        terminalreporter.write_line(f"fuzzed: {counted}")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is tried, and what decides on it."""

    seed: int
    cases: int
    """Random ones, for each operation; those at the bounds of what the document says come on top."""
    runs: int
    """Of the life of tenants."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that the Makefile passes on."""
    group = parser.getgroup("fuzz")
    group.addoption("--fuzz-seed", type=int, default=None, help="repeats a run")
    group.addoption("--fuzz-cases", type=int, default=30, help="random cases for each operation")
    group.addoption("--fuzz-runs", type=int, default=30, help="lives of tenants")


def pytest_configure(config: pytest.Config) -> None:
    """Choose a seed; processes of pytest-xdist are given this one."""
    config.pluginmanager.register(Figures())
    if config.option.fuzz_seed is None:
        config.option.fuzz_seed = secrets.randbelow(2**32)


def pytest_report_header(config: pytest.Config) -> str:
    """Say which run this is."""
    return f"fuzz: seed {config.option.fuzz_seed}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell how to repeat what has failed."""
    report = yield
    if report.failed:
        command = f"make fuzz SEED={item.config.option.fuzz_seed} ONLY='{item.nodeid}'"
        report.sections.append(("Repeat it with", command))
    return report


@pytest.fixture(scope="session")
def plan(request: pytest.FixtureRequest) -> Plan:
    """How much is tried."""
    option = request.config.option
    return Plan(option.fuzz_seed, option.fuzz_cases, option.fuzz_runs)


@pytest.fixture(scope="session")
async def world(settings: Settings) -> AsyncIterator[World]:
    """A running application, and those who call it."""
    async with world_of(settings) as world:
        yield world


@pytest.fixture(scope="session")
async def loop() -> asyncio.AbstractEventLoop:
    """Where the application runs; Hypothesis calls functions that do not wait."""
    return asyncio.get_running_loop()


@pytest.fixture(scope="session")
def schema(world: World) -> OpenApiSchema:
    """The document."""
    return described(world.app)
