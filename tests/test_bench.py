"""The benchmark runs, whatever was answered; what it measures on this machine just now is not the question."""

import json
import sys
from pathlib import Path

import pytest

from conftest import Renderer, printed
from matrix import Answers, choices, name, singles
from plan import in_turn
from render import proving, questions

pytestmark = pytest.mark.slow


def run(service: Path, module: str, *arguments: str) -> str:
    """What a module of `proof` prints, and that it succeeds."""
    return printed(service, proving(service), sys.executable, "-m", module, *arguments)


@pytest.mark.parametrize("answers", in_turn(singles(choices(questions()))), ids=name)
def test_a_trial_measures_everything(render: Renderer, tmp_path: Path, answers: Answers) -> None:
    run(render(**answers), "bench", "--plan", "trial", "--into", str(tmp_path))
    kept = json.loads((tmp_path / "performance.json").read_text())
    assert all(step["answers"] for step in kept["steps"])
    # Counted, not timed: these hold on any machine.
    trips = [target for target in kept["targets"] if "trips" in target["name"]]
    assert trips
    assert all(target["met"] for target in trips), trips
    assert "performance.svg" in (tmp_path / "performance.md").read_text()
    assert (tmp_path / "performance.svg").read_text().startswith("<svg ")


@pytest.mark.parametrize("auth_mode", in_turn(["password", "both"]))
def test_known_and_unknown_addresses_are_compared(render: Renderer, auth_mode: str) -> None:
    table = run(render(auth_mode=auth_mode), "bench.addresses", "--pairs", "2").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[-4:]]
    assert [row[0] for row in rows] == [
        "login",
        "register",
        "forgot-password",
        "resend-verification",
    ]
    assert all(row[-1].endswith(" of 2") and float(row[1]) > 0 for row in rows), rows
