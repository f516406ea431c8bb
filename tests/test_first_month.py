"""What a team adds in its first month: a render with it migrates, keeps its rules, and its whole suite is green.

A piece is a document of `first_month/`: what it must do, and its files in blocks, as in the recipe of the render's
architecture.md. All of them are added to one render.
"""

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
from suites import Outcome, run_suite, serving, users_service
from test_changed_answers import database

__all__ = ["database"]

pytestmark = [pytest.mark.serial, pytest.mark.slow]

COMBINATIONS = pairs(choices(questions()))
PIECES = sorted((ROOT / "tests" / "first_month").glob("*.md"))
BLOCK = re.compile(r"^```python\n# ((?:src/app|tests)/\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPE = "architecture.md"
# An answer is kept in the process, for whichever tenant asks.
LEAK = (
    "src/app/api/v1/invoices.py",
    "    return await invoices.page(page)",
    "    return _KEPT.setdefault(page.limit, await invoices.page(page))\n\n\n_KEPT = {}",
)


@pytest.mark.parametrize("answers", in_turn(COMBINATIONS), ids=name)
def test_what_a_team_adds(
    render: Renderer,
    tmp_path: Path,
    answers: Answers,
    database: dict[str, str],
    tell: Callable[[str], None],
) -> None:
    service = tmp_path / "service"
    shutil.copytree(render(**answers), service)
    git(service, "init", "--quiet")
    files = {
        path: document.stem
        for document in (service / "docs" / RECIPE, *PIECES)
        for path in _added(service, document)
    }
    environment = os.environ | database | {"BASE_DOMAIN": "lobby.example"}
    app = (sys.executable, "-m", "app")
    printed(service, environment, *app, "migrate")
    printed(service, environment, *app, "migration", "--message", "add what the team needs")
    printed(service, environment, *app, "migrate")
    _lint(service)
    with serving(render(auth_mode="both")) as servers:
        _finds_a_leak(service, tmp_path / "leak", servers)
        if "RECORDED" in os.environ:
            # The same `make` runs its suite beside the others.
            kept = users_service(render(**answers))
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(service, kept, ignore=shutil.ignore_patterns(".git", "__pycache__"))
            return
        outcome = run_suite(service, tmp_path / "suite", servers, is_users=True)
    assert outcome.is_green, _report(outcome, files)
    tell(f"{name(answers)}: {outcome.passed} passed with what a team adds")


def _added(service: Path, document: Path) -> list[str]:
    found = BLOCK.findall(document.read_text())
    for path, text in found:
        assert not (service / path).exists(), f"{document.stem}: {path}"
        (service / path).parent.mkdir(parents=True, exist_ok=True)
        (service / path).write_text(text)
    return [path for path, _ in found]


def _finds_a_leak(service: Path, folder: Path, servers: dict[str, str]) -> None:
    path, before, after = LEAK
    text = (service / path).read_text()
    assert before in text
    changed = {path: text.replace(before, after)}
    attacks = "tests/routes/test_attacks.py"
    outcome = run_suite(service, folder, servers, attacks, changed=changed, is_users=True)
    assert [line for line in outcome.failed if "list_invoices" in line], outcome.output[-3000:]


def _report(outcome: Outcome, files: dict[str, str]) -> str:
    """Return what failed, and the pieces whose tests and routes the failures name."""
    failed = "\n".join(outcome.failed)
    pieces = {piece for path, piece in files.items() if Path(path).stem.rstrip("s") in failed}
    output = "\n".join(outcome.output.splitlines()[-300:])
    return f"{output}\nPieces: {', '.join(sorted(pieces)) or 'the render itself'}"


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
