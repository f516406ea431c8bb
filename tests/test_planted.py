"""`make test` finds what `make test-all` finds: faults that only some combinations have, and where their test runs."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import pytest

from conftest import Renderer
from matrix import Answers, choices, name, product
from plan import ONCE_FOR_EACH_TEXT, SHARES, Share, is_thin, plan, turn
from planted import FAULTS, Fault
from render import questions
from suites import Outcome, run_suite, serving

IN_TURN: Final = 4
"""Under `make test` so many in a row of its runs plant every fault; one run plants each of `make test-all`'s."""
PLANTED: Final = FAULTS[turn() % IN_TURN :: IN_TURN] if is_thin() else FAULTS
AT_ONCE: Final = (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def services(render: Renderer) -> dict[str, Path]:
    return {name(answers): render(**answers) for answers in product(choices(questions()))}


@pytest.fixture(scope="session")
def plans(services: dict[str, Path]) -> list[dict[str, Share]]:
    """What `make test` runs at as many commits in a row as bring everything everywhere."""
    return [plan(services, commit) for commit in range(SHARES)]


def having(fault: Fault) -> list[Answers]:
    """The combinations that have a fault."""
    return [answers for answers in product(choices(questions())) if fault.is_in(answers)]


def runs(share: Share, test: str) -> bool:
    return not share.tests or not {test, test.partition("::")[0]}.isdisjoint(share.tests)


def test_faults_are_of_one_answer_and_of_several() -> None:
    counts = [len(fault.answers) for fault in FAULTS]
    assert len(FAULTS) >= 40
    assert all(counts.count(n) >= 10 for n in (1, 2, 3))
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_what_finds_it_runs_at_every_commit(
    plans: list[dict[str, Share]], services: dict[str, Path], fault: Fault
) -> None:
    for answers in having(fault):
        assert fault.before in (services[name(answers)] / fault.path).read_text()
    if ONCE_FOR_EACH_TEXT.get(fault.found_by) == fault.path:
        # With the fault the file has a text of its own, and each text is tried.
        return
    for shares in plans:
        assert any(runs(shares[name(answers)], fault.test) for answers in having(fault))


@pytest.fixture(scope="module")
def found(
    render: Renderer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Outcome]]]:
    """Plant the faults, each in the last combination that has it, and run what finds it."""
    folders: SimpleQueue[Path] = SimpleQueue()
    for n in range(AT_ONCE):
        folders.put(tmp_path_factory.mktemp("planted") / f"service-{n}")

    def run(fault: Fault, service: Path) -> Outcome:
        folder = folders.get()
        text = (service / fault.path).read_text().replace(fault.before, fault.after)
        try:
            return run_suite(service, folder, environment, fault.test, changed={fault.path: text})
        finally:
            folders.put(folder)

    with serving(render(auth_mode="both")) as environment, ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            fault.name: pool.submit(run, fault, render(**having(fault)[-1])) for fault in PLANTED
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.serial
@pytest.mark.slow
@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found(
    found: dict[str, Future[Outcome]], fault: Fault, tell: Callable[[str], None]
) -> None:
    outcome = found[fault.name].result()
    assert outcome.failed, outcome.output[-3000:]
    assert not outcome.is_green
    tell(f"{fault.name}: {outcome.failed[0].partition(' - ')[0]}")
