"""scripts/bootstrap, on machines that lack something."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from render import ROOT

TOOLS = ("cmp", "cp", "dirname", "env", "flock", "grep", "mkdir", "paste", "rm", "sh")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A checkout with nothing installed, and a PATH with nothing but a few tools."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy2(ROOT / "scripts/bootstrap", tmp_path / "scripts")
    shutil.copy2(ROOT / "requirements.lock", tmp_path)
    for tool in TOOLS:
        if found := shutil.which(tool):
            (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def bootstrap(clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["scripts/bootstrap"],
        cwd=clone,
        env={"PATH": str(clone / "bin"), "HOME": os.devnull} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def fake(clone: Path, program: str, script: str) -> None:
    path = clone / program
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {path.name} $* >> calls\n{script}\n")
    path.chmod(0o755)


def calls(clone: Path) -> list[str]:
    return (clone / "calls").read_text().splitlines()


def test_without_uv_and_pip_it_says_so(clone: Path) -> None:
    done = bootstrap(clone)
    assert done.returncode == 1
    assert "neither uv nor 'python3 -m pip' runs here" in done.stderr


def test_without_a_python_it_says_which_ones_would_do(clone: Path) -> None:
    fake(clone, "bin/uv", "exit 2")
    done = bootstrap(clone)
    assert done.returncode == 1
    assert "no Python 3.12, 3.13 or 3.14 was found" in done.stderr


def test_uv_is_installed_into_the_project(clone: Path) -> None:
    fake(clone, "bin/python3", "exit 0")
    done = bootstrap(clone)
    assert "installing uv into .uv" in done.stderr
    assert any(
        call.startswith("python3 -m pip install --quiet --target .uv uv==") for call in calls(clone)
    )


def test_it_stays_in_its_clone(clone: Path) -> None:
    fake(clone, "bin/python3", "exit 0")
    (clone / "other/scripts").mkdir(parents=True)
    bootstrap(clone, CDPATH=str(clone / "other"))
    assert calls(clone)


def test_installs_only_when_the_lock_changed(clone: Path) -> None:
    # This uv makes an environment whose Python is the one that runs the tests.
    fake(clone, "bin/uv", f"mkdir -p .venv/bin; ln -sf {ROOT}/.venv/bin/python .venv/bin/python")
    (clone / "bin/ln").symlink_to(shutil.which("ln") or "ln")
    assert bootstrap(clone).returncode == 0
    assert [call.split()[1] for call in calls(clone)] == ["venv", "pip"]
    assert "--require-hashes" in calls(clone)[1]
    assert bootstrap(clone).returncode == 0
    assert len(calls(clone)) == 2
    (clone / "requirements.lock").write_text("changed\n")
    assert bootstrap(clone).returncode == 0
    assert [call.split()[1] for call in calls(clone)] == ["venv", "pip", "pip"]


def test_every_interpreter_of_pyenv_that_is_new_enough_is_made_visible(clone: Path) -> None:
    fake(clone, "bin/pyenv", "printf '%s\\n' 2.7.18 3.9.18 3.11.7 3.12.1 3.13.0 3.14.2 some-env")
    fake(clone, "bin/uv", 'echo "seen $PYENV_VERSION" >> calls; exit 2')
    bootstrap(clone)
    assert "seen 3.12.1:3.13.0:3.14.2" in calls(clone)
