"""The suite that each render brings, run on it; one after the other would leave half of a machine idle."""

import os
import shlex
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import pytest

from conftest import Renderer
from matrix import Answers, combinations, name
from plan import SHARES, Share, is_thin, plan, turn
from suites import Outcome, recorded, run_suite, serving, spread, users_service

pytestmark = pytest.mark.serial

COMBINATIONS = combinations()
# Pytest's, for every suite: folders or files, or those to leave out.
ARGUMENTS = shlex.split(os.environ.get("SUITE", ""))
# How many renders share out the test files that they have in common, without any that runs whole.
SPREAD = int(os.environ.get("SPREAD", "1"))
# Whether the same `make` has run some of them already, in environments of their own.
RECORDED = "RECORDED" in os.environ and not ARGUMENTS and SPREAD == 1
# More than cores: a suite also waits, for servers and for the clocks of others.
AT_ONCE = min(len(COMBINATIONS), (os.cpu_count() or 1) + 2)


@dataclass(frozen=True)
class Suites:
    """The suites that run, in the order of COMBINATIONS."""

    shares: list[Share]
    outcomes: list[Future[Outcome]]
    started: float

    def estimate(self) -> str:
        """Return how long the rest takes, by those that are done; whole suites come first and take longer."""
        done = sum(outcome.done() for outcome in self.outcomes)
        minutes = (time.monotonic() - self.started) / done * (len(self.outcomes) - done) / 60
        return f"at most {minutes:.0f} min left" if done < len(self.outcomes) else "done"


@pytest.fixture(scope="module")
def suites(render: Renderer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suites]:
    """Start every suite on servers that all share; the whole ones first, because they take the longest."""
    folders: SimpleQueue[Path] = SimpleQueue()
    for n in range(AT_ONCE):
        folders.put(tmp_path_factory.mktemp("suite") / f"service-{n}")
    services = {name(answers): render(**answers) for answers in COMBINATIONS}

    def run(service: Path, share: Share) -> Outcome:
        if RECORDED and not share.tests and (outcome := recorded(service)):
            return outcome
        users = users_service(service)
        folder = folders.get()
        try:
            if RECORDED and not share.tests and users.exists():
                outcome = run_suite(users, folder, environment, is_users=True)
                outcome.environment = "with what a team adds"
                return outcome
            return run_suite(service, folder, environment, *ARGUMENTS, *share.tests)
        finally:
            folders.put(folder)

    shares = shares_of(services)
    # This answer has each server that suites share.
    with serving(render(auth_mode="both")) as environment, ThreadPoolExecutor(AT_ONCE) as pool:
        begun = {
            combination: pool.submit(run, services[combination], shares[combination])
            for combination in sorted(services, key=lambda each: bool(shares[each].tests))
        }
        try:
            yield Suites(
                [shares[each] for each in services],
                [begun[each] for each in services],
                time.monotonic(),
            )
        finally:
            # After Ctrl-C too; those that run are waited for.
            pool.shutdown(cancel_futures=True)


def shares_of(services: dict[str, Path]) -> dict[str, Share]:
    """Return what each render runs, by its combination."""
    if SPREAD > 1:
        files = zip(services, spread(list(services.values()), SPREAD), strict=True)
        return {combination: Share(tests) for combination, tests in files}
    if is_thin():
        return plan(services, turn())
    return dict.fromkeys(services, Share())


@pytest.mark.parametrize("answers", COMBINATIONS, ids=name)
def test_suite(suites: Suites, answers: Answers, capsys: pytest.CaptureFixture[str]) -> None:
    number = COMBINATIONS.index(answers)
    share, outcome = suites.shares[number], suites.outcomes[number].result()
    line = (
        f"[{number + 1}/{len(COMBINATIONS)}] {name(answers)}: {share}, {outcome.passed} passed"
        f" of {outcome.collected} in {outcome.seconds:.0f} s"
        f" ({outcome.processor_seconds:.0f} s of processor time), {suites.estimate()}, "
        + (outcome.environment or f"{outcome.attacks.total()} attacks on routes")
    )
    with capsys.disabled():
        print(f"\n{line}", end="", flush=True)
    if not outcome.is_green:
        pytest.fail("\n".join([line, *outcome.output.splitlines()[-300:]]), pytrace=False)


def test_what_ran_where(suites: Suites, capsys: pytest.CaptureFixture[str]) -> None:
    """Every combination ran attacks; the last lines tell what else ran, and which share it was."""
    outcomes = [outcome.result() for outcome in suites.outcomes]
    whole = [share for share in suites.shares if not share.tests]
    with capsys.disabled():
        print(
            f"\n{len(outcomes)} combinations: {len(whole)} ran their whole suites,"
            f" {len(outcomes) - len(whole)} what an answer can change and"
            f" share {turn() % SHARES + 1} of {SHARES} of the rest;"
            f" {sum(outcome.passed for outcome in outcomes)} tests passed,"
            f" {sum(outcome.attacks.total() for outcome in outcomes)} attacks on routes,"
            f" {time.monotonic() - suites.started:.0f} s",
            end="",
        )
    assert len(outcomes) == len(COMBINATIONS)
