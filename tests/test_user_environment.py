"""What a user does first: lock, install and test a service, with the packages that it declares and no others.

All other tests share one environment with the packages of every answer, where a missing one would not show.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import Renderer, commit, git
from matrix import Answers, choices, name, singles
from render import ROOT, questions

pytestmark = [pytest.mark.serial, pytest.mark.slow]


# How a tenant is named takes no package.
PACKAGES = {q: a for q, a in choices(questions()).items() if q != "tenant_strategy"}


@pytest.mark.parametrize("answers", singles(PACKAGES), ids=name)
def test_a_new_service_locks_installs_and_passes_its_suite(
    render: Renderer, tmp_path: Path, answers: Answers
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
    for target in ("lock", "test"):
        done = subprocess.run(
            ["make", target],
            cwd=service,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"make {target}\n{done.stdout[-8000:]}"
    assert " passed" in done.stdout
    commit(service)
    assert "uv.lock" in git(service, "ls-files")
    for made in ("uv.lock", ".venv/synced"):
        (service / made).unlink()
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
