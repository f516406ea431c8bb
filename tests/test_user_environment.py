"""What a user does first: lock, install and test a service, with the packages that it declares and no others.

All other tests share one environment with the packages of every answer, where a missing one would not show.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from conftest import Renderer, commit, git, printed
from matrix import Answers, choices, name, singles
from plan import in_turn
from render import ROOT, questions
from suites import Outcome, record

pytestmark = [pytest.mark.serial, pytest.mark.slow]


# How a tenant is named takes no package.
PACKAGES = choices(questions())
STRATEGY, *_ = PACKAGES.pop("tenant_strategy")
COMBINATIONS: list[Answers] = [
    {"tenant_strategy": STRATEGY} | answers for answers in singles(PACKAGES)
]


def pythons(service: Path, environment: dict[str, str]) -> list[str]:
    """The Pythons of the workflow that uv finds for the Makefile of a render; the newest first."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    wanted = workflow["jobs"]["template"]["strategy"]["matrix"]["python"]
    find = "find: ; @$(UV) python find --quiet --system --no-python-downloads"
    return [
        version
        for version in reversed(wanted)
        if not subprocess.run(
            ["make", f"--eval={find} {version}", "find"],
            cwd=service,
            env=environment,
            capture_output=True,
            check=False,
        ).returncode
    ] or ["{}.{}".format(*sys.version_info)]


def processor_seconds() -> float:
    """Of all that this process has started and that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("answers", in_turn(COMBINATIONS), ids=name)
def test_a_new_service_locks_installs_and_passes_its_suite(
    render: Renderer, tmp_path: Path, answers: Answers, tell: Callable[[str], None]
) -> None:
    service = tmp_path / "service"
    shutil.copytree(render(**answers), service)
    git(service, "init", "--quiet")
    environment = {
        variable: value
        for variable, value in os.environ.items()
        if not variable.startswith(
            ("PYTEST_", "VIRTUAL_ENV", "PYTHONPATH", "COV_", "MAKE", "MFLAGS")
        )
    }
    environment["PATH"] = os.pathsep.join([environment["PATH"], str(ROOT / ".uv/bin")])
    # The suites of the matrix have one Python, most often the oldest; these have all that are here, in turn.
    found = pythons(service, environment)
    python = environment["UV_PYTHON"] = found[COMBINATIONS.index(answers) % len(found)]
    printed(service, environment, "make", "lock")
    began, used = time.monotonic(), processor_seconds()
    output = printed(service, environment, "make", "test")
    collected, passed = (
        int(count)
        for pattern in (r" workers? \[(\d+) items\]", r"^=+ (\d+) passed in ")
        for count in re.findall(pattern, output, re.MULTILINE)
    )
    assert collected == passed > 0
    tell(f"{name(answers)}: {output.splitlines()[-1].strip('= ')} on Python {python}")
    outcome = Outcome(collected, passed, exit_code=0, seconds=time.monotonic() - began)
    outcome.processor_seconds = processor_seconds() - used
    outcome.environment = f"in an environment of its own on Python {python}"
    record(render(**answers), outcome)
    commit(service)
    assert "uv.lock" in git(service, "ls-files")
    (service / "uv.lock").unlink()
    in_ci = subprocess.run(
        ["make", "lint"],
        cwd=service,
        env=environment | {"UV_LOCKED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert in_ci.returncode, "CI has made a lock of its own"
    assert "uv.lock" in in_ci.stderr
