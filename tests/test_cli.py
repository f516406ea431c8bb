"""What a person types. Copier's API and pytest-copie do not notice that a template demands trust."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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


@pytest.mark.parametrize(
    ("short", "url"),
    [
        ("gh:org/lobby-saas", "https://github.com/org/lobby-saas"),
        ("gl:org/lobby-saas.git", "https://gitlab.com/org/lobby-saas.git"),
    ],
)
def test_bots_read_where_the_template_is(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: str, url: str
) -> None:
    """Renovate takes `_src_path` for a URL, so the short form is written out; Copier goes on with that."""
    origin = _as_repository(template, tmp_path / "origin")
    git(origin, "tag", "v1.0.0")
    host = url.partition("org")[0]
    settings = tmp_path / "gitconfig"
    # Of what begins alike git takes the longest.
    settings.write_text(
        f'[url "{origin}"]\n'
        f"insteadOf = {host}org/lobby-saas\ninsteadOf = {host}org/lobby-saas.git\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    service = tmp_path / "service"

    done = copier("copy", "--defaults", short, str(service))
    assert done.returncode == 0, done.stderr
    answers = yaml.safe_load((service / ".copier-answers.yml").read_text())
    assert (answers["_src_path"], answers["_commit"]) == (url, "v1.0.0")

    git(service, "init", "--quiet")
    commit(service)
    (origin / "README.md").write_text("The next release.\n")
    commit(origin)
    git(origin, "tag", "v1.1.0")
    checked = copier("check-update", "--output-format", "json", str(service))
    assert "1.1.0" in checked.stdout, checked.stdout + checked.stderr
    updated = copier("update", "--defaults", str(service))
    assert updated.returncode == 0, updated.stderr
    answers = yaml.safe_load((service / ".copier-answers.yml").read_text())
    assert (answers["_src_path"], answers["_commit"]) == (url, "v1.1.0")


def test_fast_render_of_the_tests_writes_the_same(
    template: Path, render: Renderer, tmp_path: Path
) -> None:
    done = copier("copy", "--defaults", "--quiet", str(template), str(tmp_path / "service"))
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "service") == files(render())


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("project_slug=class", "A keyword of Python. Choose another"),
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
