"""The benchmark runs, whatever was answered; what it measures on this machine just now is not the question."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Renderer
from matrix import Answers, choices, name, singles
from render import questions

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("answers", singles(choices(questions())), ids=name)
def test_a_trial_measures_everything(render: Renderer, tmp_path: Path, answers: Answers) -> None:
    service = render(**answers)
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--plan", "trial", "--into", str(tmp_path)],
        cwd=service,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(service), str(service / "src")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    kept = json.loads((tmp_path / "performance.json").read_text())
    assert all(step["answers"] for step in kept["steps"])
    # Counted, not timed: these hold on any machine.
    trips = [target for target in kept["targets"] if "trips" in target["name"]]
    assert trips
    assert all(target["met"] for target in trips), trips
    assert "performance.svg" in (tmp_path / "performance.md").read_text()
    assert (tmp_path / "performance.svg").read_text().startswith("<svg ")
