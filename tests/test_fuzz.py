"""What each render brings to fuzz itself, run on renders that have each answer once."""

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Final
from zlib import crc32

import pytest

from conftest import Renderer
from matrix import Answers, name, singles, wanted_choices
from plan import in_turn
from suites import Outcome, run_suite, serving

pytestmark = [pytest.mark.serial, pytest.mark.slow, pytest.mark.in_turn(0, of=2)]

CASES, LIVES = 12, 4
"""As few as find what is easy to find: each combination has a seed of its own, and `make fuzz` tries more."""


COMBINATIONS: Final = in_turn(singles(wanted_choices()), every=2)
AT_ONCE: Final = min(len(COMBINATIONS), (os.cpu_count() or 1) + 1)


@pytest.fixture(scope="module")
def fuzzed(
    render: Renderer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Future[Outcome]]]:
    """Start all of them, on servers that they share."""
    folders: SimpleQueue[Path] = SimpleQueue()
    for n in range(AT_ONCE):
        folders.put(tmp_path_factory.mktemp("fuzz") / f"service-{n}")
    rendering = Lock()
    # Hypothesis keeps a table of all characters there, which takes seconds to make.
    shared = {"HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path_factory.mktemp("hypothesis"))}

    def run(answers: Answers) -> Outcome:
        with rendering:
            service = render(**answers)
        folder = folders.get()
        # The same when ANSWERS leaves this one alone.
        seed = crc32(name(answers).encode())
        options = [f"--fuzz-seed={seed}", f"--fuzz-cases={CASES}", f"--fuzz-runs={LIVES}"]
        try:
            return run_suite(service, folder, environment | shared, *options, "fuzz")
        finally:
            folders.put(folder)

    with serving(render(auth_mode="both")) as environment, ThreadPoolExecutor(AT_ONCE) as pool:
        yield [pool.submit(run, answers) for answers in COMBINATIONS]
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("answers", COMBINATIONS, ids=name)
def test_a_render_stands_its_own_fuzzing(
    fuzzed: list[Future[Outcome]], answers: Answers, tell: Callable[[str], None]
) -> None:
    number = COMBINATIONS.index(answers)
    outcome = fuzzed[number].result()
    figures = re.findall(r"^fuzzed: (.+)$", outcome.output, re.MULTILINE)
    line = (
        f"[{number + 1}/{len(COMBINATIONS)}] {name(answers)}: {''.join(figures)} in {outcome.seconds:.0f} s"
        f" ({outcome.processor_seconds:.0f} s of processor time)"
    )
    tell(line)
    if not outcome.is_green or not figures:
        pytest.fail("\n".join([line, *outcome.output.splitlines()[-300:]]), pytrace=False)
