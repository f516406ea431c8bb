"""`copier update`, from each of the last releases and from a made-up one, to the working tree."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from alembic.script import ScriptDirectory
from copier import run_copy, run_update

from conftest import commit, files, git
from matrix import choices
from plan import in_turn
from releases import releases
from render import ROOT, TEMPLATE, questions, snapshot

EARLIER = "v0.0.1"
NEXT = "v9999.0.0"
OWN_REVISION = """
revision = "0001"
down_revision = "app_base"


def upgrade() -> None: ...
"""

*OLDER, NEWEST = (EARLIER, *list(releases())[-2:])

every_release = pytest.mark.parametrize(
    "tag", [NEWEST, *(pytest.param(tag, marks=pytest.mark.slow) for tag in in_turn(OLDER))]
)


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with the releases tagged, the made-up one, and the working tree as the next one."""
    clone = tmp_path_factory.mktemp("repository") / "lobby-saas"
    git(ROOT, "clone", "--quiet", "--no-local", str(ROOT), str(clone))
    for tag in git(clone, "tag").split():
        git(clone, "tag", "--delete", tag)
    for tag, released in releases().items():
        git(clone, "tag", tag, released)
    _lay_out(clone)
    _make_earlier(clone / "template")
    commit(clone)
    git(clone, "tag", EARLIER)
    _lay_out(clone)
    commit(clone)
    git(clone, "tag", NEXT)
    return clone


def _lay_out(clone: Path) -> None:
    for path in clone.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    snapshot(clone, *TEMPLATE)


def _make_earlier(template: Path) -> None:
    """What the made-up release had otherwise: a line, a bound, a file more, a file less."""
    _replace(template / "Makefile.jinja", "What can be made", "List the targets")
    _replace(template / "pyproject.toml.jinja", '"httptools>=0.7"', '"httptools>=0.6"')
    _replace(template / "CHANGELOG.md", "## Unreleased", "## Next")
    (template / "docs/retired.md").write_text("# Retired\n")
    (template / ".dockerignore").unlink()


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path.name} has no {old!r}"
    path.write_text(text.replace(old, new))


def generate(repository: Path, service: Path, ref: str, **answers: str) -> Path:
    """A committed service of one release, in a folder of a name that both renders share."""
    run_copy(str(repository), service, data=answers, vcs_ref=ref, defaults=True, quiet=True)
    git(service, "init", "--quiet")
    commit(service)
    return service


@every_release
def test_untouched_service_becomes_the_fresh_render(
    repository: Path, tmp_path: Path, tag: str
) -> None:
    service = generate(repository, tmp_path / "old/acme", tag)
    fresh = generate(repository, tmp_path / "new/acme", NEXT)
    before = files(service)
    run_update(service, vcs_ref=NEXT, defaults=True, overwrite=True, quiet=True)
    updated, expected = files(service), files(fresh)
    assert updated.pop("CHANGELOG.md") == before["CHANGELOG.md"]  # the user's since it was written
    expected.pop("CHANGELOG.md")
    assert updated == expected


@every_release
def test_what_the_user_did_survives_an_update_by_command_without_trust(
    repository: Path, tmp_path: Path, tag: str
) -> None:
    service = generate(repository, tmp_path / "acme", tag)
    _work_on(service)
    commit(service)
    done = _update_by_command(service)
    assert done.returncode == 0, done.stderr
    assert "make test" in done.stderr
    _check_the_work(service)
    assert f"_commit: {NEXT}" in (service / ".copier-answers.yml").read_text()


def _work_on(service: Path) -> None:
    (service / ".env").write_text("AUTH__KEYS=secret\n")
    (service / "src/app/api/v1/invoices.py").write_text('"""Invoices."""\n')
    (service / "src/alembic/tenant/app/0001_add_invoices.py").write_text(OWN_REVISION)
    (service / "CHANGELOG.md").write_text("# Ours\n")
    (service / ".pre-commit-config.yaml").unlink()
    _replace(
        service / "pyproject.toml", "dependencies = [\n", 'dependencies = [\n    "stripe>=11",\n'
    )
    _replace(service / "README.md", "# acme\n", "# acme\n\nRun by the billing team.\n")


def _heads(tree: Path) -> dict[str, int]:
    """How many heads each branch of migrations has."""
    branches = ("lobby", "app")
    folders = [str(tree / branch) for branch in branches]
    scripts = ScriptDirectory(str(tree.parent), version_locations=folders)
    return {branch: len(scripts.get_revisions(f"{branch}@heads")) for branch in branches}


def _update_by_command(service: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "copier", "update", "--defaults", f"--vcs-ref={NEXT}", *options],
        cwd=service,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _check_the_work(service: Path) -> None:
    # Copier exits with 0 when it leaves conflicts.
    assert git(service, "diff", "--name-only", "--diff-filter=U") == ""
    git(service, "diff", "--check")
    assert (service / ".env").read_text() == "AUTH__KEYS=secret\n"
    assert (service / "src/app/api/v1/invoices.py").exists()
    assert _heads(service / "src/alembic/tenant") == {"lobby": 1, "app": 1}
    assert (service / "CHANGELOG.md").read_text() == "# Ours\n"
    assert not (service / ".pre-commit-config.yaml").exists()
    assert "Run by the billing team." in (service / "README.md").read_text()
    pyproject = tomllib.loads((service / "pyproject.toml").read_text())
    assert "stripe>=11" in pyproject["project"]["dependencies"]


@pytest.fixture(scope="session")
def untouched(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default answers' service; copy it to change it."""
    return generate(repository, tmp_path_factory.mktemp("untouched") / "acme", NEXT)


@pytest.mark.slow
@pytest.mark.parametrize("question", in_turn(list(choices(questions()))))
def test_another_answer_makes_the_render_of_that_answer(
    repository: Path, untouched: Path, tmp_path: Path, question: str
) -> None:
    service = tmp_path / "old/acme"
    shutil.copytree(untouched, service, symlinks=True)
    first, *others = choices(questions())[question]
    # From each to the next and back to the first, which has to bring what the others did not have.
    for answer in (*others, first):
        data = {question: answer}
        run_update(service, vcs_ref=NEXT, data=data, defaults=True, overwrite=True, quiet=True)
        fresh = untouched
        if answer != first:
            fresh = generate(repository, tmp_path / answer / "acme", NEXT, **data)
        assert files(service) == files(fresh), f"{question}={answer}"
        commit(service)


@pytest.mark.slow
def test_another_answer_by_command_keeps_what_the_user_did(
    repository: Path, tmp_path: Path
) -> None:
    service = generate(repository, tmp_path / "acme", NEXT)
    _work_on(service)
    commit(service)
    others = [
        f"--data={question}={values[-1]}" for question, values in choices(questions()).items()
    ]
    done = _update_by_command(service, *others)
    assert done.returncode == 0, done.stderr
    _check_the_work(service)
    recorded = yaml.safe_load((service / ".copier-answers.yml").read_text())
    for question, values in choices(questions()).items():
        assert recorded[question] == values[-1]


@pytest.mark.slow
def test_update_brings_what_is_new_and_takes_what_is_gone(repository: Path, tmp_path: Path) -> None:
    service = generate(repository, tmp_path / "acme", EARLIER)
    assert not (service / ".dockerignore").exists()
    (service / "docs/retired.md").write_text("# Ours\n")
    commit(service)
    run_update(service, vcs_ref=NEXT, defaults=True, overwrite=True, quiet=True)
    assert not (service / "docs/retired.md").exists()
    # As the message after an update and the README have it.
    assert "-# Ours" in git(service, "diff", "HEAD", "--diff-filter=D")
    assert (service / ".dockerignore").exists()
    assert '"httptools>=0.7"' in (service / "pyproject.toml").read_text()
    assert "What can be made" in (service / "Makefile").read_text()
