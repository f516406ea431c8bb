"""What a person types. Copier's API and pytest-copie do not notice that a template demands trust."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Renderer, commit, files, git


def copier(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "copier", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_plain_copy_needs_no_trust_and_names_the_next_command(
    template: Path, tmp_path: Path
) -> None:
    service = tmp_path / "my services" / "acme-billing"
    done = copier("copy", "--defaults", str(template), str(service))
    assert done.returncode == 0, done.stderr
    assert "acme-billing is written" in done.stderr
    next_commands = done.stderr.split("Next:")[1]
    assert f"cd '{service}'" in next_commands
    assert "git init --initial-branch main && make lock" in next_commands
    assert "make dev" in next_commands
    assert not (service / "copier.yml").exists()


def test_plain_copy_from_a_git_repository(template: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(_as_repository(template, tmp_path / "origin")), "clone")
    done = copier(
        "copy", "--defaults", "--vcs-ref=HEAD", str(tmp_path / "clone"), str(tmp_path / "service")
    )
    assert done.returncode == 0, done.stderr
    assert "_commit: " in (tmp_path / "service/.copier-answers.yml").read_text()


def test_fast_render_of_the_tests_writes_the_same(
    template: Path, render: Renderer, tmp_path: Path
) -> None:
    done = copier("copy", "--defaults", "--quiet", str(template), str(tmp_path / "service"))
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "service") == files(render())


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("project_slug=class", "class is a Python keyword: choose another name"),
        ("auth_mode=magic", "'magic' is not in ['password'"),
    ],
)
def test_bad_answer_is_refused_before_anything_is_written(
    answer: str, sentence: str, template: Path, tmp_path: Path
) -> None:
    done = copier("copy", "--defaults", "--data", answer, str(template), str(tmp_path / "service"))
    assert done.returncode != 0
    assert sentence in done.stderr.splitlines()[-1]
    assert not (tmp_path / "service").exists()


def _as_repository(template: Path, target: Path) -> Path:
    target.mkdir()
    for name, content in files(template).items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
    git(target, "init", "--quiet")
    commit(target)
    return target
