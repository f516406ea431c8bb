"""What a team adds first: a render with it migrates, keeps its rules, and its whole suite is green."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Renderer, git, printed
from matrix import Answers, choices, name, pairs
from plan import in_turn
from render import ROOT, questions
from suites import run_suite, serving, users_service
from test_changed_answers import database

__all__ = ["database"]

pytestmark = [pytest.mark.serial, pytest.mark.slow]

COMBINATIONS = pairs(choices(questions()))
BLOCK = re.compile(r"^```python\n# ((?:src/app|tests)/\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("answers", in_turn(COMBINATIONS), ids=name)
def test_the_documented_resource(
    render: Renderer,
    tmp_path: Path,
    answers: Answers,
    database: dict[str, str],
    tell: Callable[[str], None],
) -> None:
    service = tmp_path / "service"
    shutil.copytree(render(**answers), service)
    git(service, "init", "--quiet")
    recipe = (service / "docs" / "architecture.md").read_text()
    for path, text in BLOCK.findall(recipe):
        assert not (service / path).exists()
        (service / path).write_text(text)
    environment = os.environ | database | {"BASE_DOMAIN": "lobby.example"}
    app = (sys.executable, "-m", "app")
    printed(service, environment, *app, "migrate")
    printed(service, environment, *app, "migration", "--message", "add invoices")
    printed(service, environment, *app, "migrate")
    _lint(service)
    if "RECORDED" in os.environ:
        # The same `make` runs its suite beside the others.
        kept = users_service(render(**answers))
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(service, kept, ignore=shutil.ignore_patterns(".git", "__pycache__"))
        return
    with serving(render(auth_mode="both")) as servers:
        outcome = run_suite(service, tmp_path / "suite", servers, is_users=True)
    assert outcome.is_green, "\n".join(outcome.output.splitlines()[-300:])
    tell(f"{name(answers)}: {outcome.passed} passed with a resource of a team's")


def _lint(service: Path) -> None:
    for command in (
        ("ruff", "check", "--no-cache"),
        ("ruff", "format", "--check", "--no-cache"),
        ("lint-imports", "--no-cache"),
        ("mypy", f"--cache-dir={ROOT / '.mypy_cache' / 'first-month'}"),
    ):
        program = Path(sys.executable).with_name(command[0])
        done = subprocess.run(
            [program, *command[1:]],
            cwd=service,
            env=os.environ | {"MYPYPATH": "src", "PYTHONPATH": "src"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
