"""The suite that each render brings, run on it, one render at a time."""

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conftest import Renderer
from matrix import Answers, combinations, command, name

pytestmark = pytest.mark.serial

COMBINATIONS = combinations()
PATIENCE_SECONDS = 600


@pytest.mark.parametrize("answers", COMBINATIONS, ids=name)
def test_suite(
    render: Renderer, answers: Answers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = shutil.copytree(render(**answers), tmp_path / "service")
    place = f"[{COMBINATIONS.index(answers) + 1}/{len(COMBINATIONS)}] {name(answers)}"
    suite = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pytest",
            "-n",
            "2",
            "-q",
            "-p",
            "no:copie",
            "-p",
            "no:cacheprovider",
        ],
        cwd=service,
        env=os.environ | {"PYTHONPATH": "src"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = threading.Timer(PATIENCE_SECONDS, suite.kill)
    deadline.start()
    output = []
    with suite, capsys.disabled():
        for line in suite.stdout or []:
            output.append(line.rstrip())
            if re.search(r"\[ *\d+%\]$|\d+ passed|\d+ failed", output[-1]):
                print(f"\n{place}: {output[-1]}", end="", flush=True)
    deadline.cancel()
    failed = f"{place}\n{'\n'.join(output[-300:])}\nRepeat it with\n    {command(answers)}"
    # Nothing failed, skipped, deselected or expected to fail.
    if suite.returncode or not re.search(r"^\d+ passed in ", "".join(output[-1:])):
        pytest.fail(failed, pytrace=False)
