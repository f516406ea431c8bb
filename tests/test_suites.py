"""The suite that each render brings, run on it; one after the other would leave half of a machine idle."""

import os
import shlex
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Semaphore

import pytest

from conftest import Renderer
from matrix import Answers, combinations, name
from suites import Outcome, recorded, run_suite, serving, spread

pytestmark = pytest.mark.serial

COMBINATIONS = combinations()
SECOND_ATTEMPTS = 1 + len(COMBINATIONS) // 36
# Pytest's, for every suite: folders or files, or those to leave out.
ARGUMENTS = shlex.split(os.environ.get("SUITE", ""))
# How many renders share out the test files that they have in common; otherwise each runs all.
SPREAD = int(os.environ.get("SPREAD", "1"))
# Whether the same `make` has run some of them already, in environments of their own.
RECORDED = "RECORDED" in os.environ and not ARGUMENTS and SPREAD == 1
# More than cores: a suite also waits, for servers and for the clocks of others.
AT_ONCE = min(len(COMBINATIONS), (os.cpu_count() or 1) + 2)


@dataclass(frozen=True)
class Suites:
    """The suites that run, in the order of COMBINATIONS."""

    outcomes: list[Future[Outcome]]
    started: float

    def estimate(self) -> str:
        """How long the rest takes, by those that are done."""
        done = sum(outcome.done() for outcome in self.outcomes)
        minutes = (time.monotonic() - self.started) / done * (len(self.outcomes) - done) / 60
        return f"about {minutes:.0f} min left" if done < len(self.outcomes) else "done"


@pytest.fixture(scope="module")
def suites(render: Renderer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suites]:
    """Start every suite on servers that all share."""
    folders: SimpleQueue[Path] = SimpleQueue()
    for n in range(AT_ONCE):
        folders.put(tmp_path_factory.mktemp("suite") / f"service-{n}")
    rendering = Lock()
    # Whoever shares the machine can make a test miss its time; a fault shows twice. Each is printed.
    second_attempts = Semaphore(SECOND_ATTEMPTS)

    def run(answers: Answers, tests: list[str]) -> Outcome:
        with rendering:
            service = render(**answers)
        if RECORDED and (outcome := recorded(service)):
            return outcome
        folder = folders.get()
        try:
            outcome = run_suite(service, folder, environment, *ARGUMENTS, *tests)
            if not outcome.is_green and outcome.failed and second_attempts.acquire(blocking=False):
                first = outcome
                outcome = run_suite(service, folder, environment, *ARGUMENTS, *tests)
                outcome.failed_before = first.failed
            return outcome
        finally:
            folders.put(folder)

    shares: list[list[str]] = [[] for _ in COMBINATIONS]
    if SPREAD > 1:
        shares = spread([render(**answers) for answers in COMBINATIONS], SPREAD)
    # This answer has each server that suites share.
    with serving(render(auth_mode="both")) as environment, ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = [pool.submit(run, *work) for work in zip(COMBINATIONS, shares, strict=True)]
        yield Suites(outcomes, time.monotonic())
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("answers", COMBINATIONS, ids=name)
def test_suite(suites: Suites, answers: Answers, capsys: pytest.CaptureFixture[str]) -> None:
    number = COMBINATIONS.index(answers)
    outcome = suites.outcomes[number].result()
    line = (
        f"[{number + 1}/{len(COMBINATIONS)}] {name(answers)}: {outcome.collected} collected,"
        f" {outcome.passed} passed in {outcome.seconds:.0f} s"
        f" ({outcome.processor_seconds:.0f} s of processor time), {suites.estimate()}, "
        + (outcome.environment or f"{outcome.attacks.total()} attacks on routes")
    )
    with capsys.disabled():
        print(
            f"\n{line}", *outcome.failed_before, sep="\n  second attempt after ", end="", flush=True
        )
    if not outcome.is_green:
        pytest.fail("\n".join([line, *outcome.output.splitlines()[-300:]]), pytrace=False)
