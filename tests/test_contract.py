"""Promises to projects that earlier releases made, and to those who cannot or will not trust."""

import re
import tomllib

import yaml

from matrix import choices
from releases import releases, show
from render import ROOT, questions

# An old question, and the one whose default reads its answer.
RENAMED: dict[str, str] = {}
# Choices dropped on purpose; the question's default maps each to another.
RETIRED: dict[str, set[str]] = {}


def test_recorded_answers_of_each_release_still_mean_something() -> None:
    now = choices(questions())
    for tag, commit in releases().items():
        config = yaml.safe_load(show(commit, "copier.yml"))
        old = {name: q for name, q in config.items() if not name.startswith("_")}
        for name in old:
            assert RENAMED.get(name, name) in questions(), f"{tag}: the answer to {name} is lost"
        for name, values in choices(old).items():
            kept = {*now[RENAMED.get(name, name)], *RETIRED.get(name, set())}
            assert set(values) <= kept, f"{tag}: copier resets {name} to its default"


def test_manifest_is_where_updates_from_each_release_look_for_it() -> None:
    assert (ROOT / "extensions/files.jinja").exists()
    for commit in releases().values():
        assert show(commit, "extensions/files.jinja")


def test_changelog_lists_the_releases_and_the_version() -> None:
    headings = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    recorded = [tag.removeprefix("v") for tag in releases()]
    assert headings[::-1][: len(recorded)] == recorded
    assert len(headings) <= len(recorded) + 1, "docs/releases.toml misses a release"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert headings[0] == version


def test_bootstrap_services_and_workflows_mean_the_same_pythons() -> None:
    newest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert f'requires-python = "{newest}"' in (ROOT / "template/pyproject.toml.jinja").read_text()
    assert newest in (ROOT / "scripts/bootstrap").read_text()
    first, last = (int(minor) for minor in re.findall(r"3\.(\d+)", newest))
    every = [f"3.{minor}" for minor in range(first, last)]
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert jobs["template"]["strategy"]["matrix"]["python"] == every
    assert jobs["suites"]["strategy"]["matrix"]["python"] == [every[0], every[-1]]
    workflow = (ROOT / "template/.github/workflows/ci.yml").read_text()
    assert yaml.safe_load(workflow)["jobs"]["test"]["strategy"]["matrix"]["python"] == every


def test_nothing_demands_trust() -> None:
    config = yaml.safe_load((ROOT / "copier.yml").read_text())
    assert not {"_tasks", "_jinja_extensions", "_migrations"} & config.keys()
    assert not list((ROOT / "extensions").rglob("*.py"))


def test_paths_can_be_checked_out_on_windows() -> None:
    paths = [p.relative_to(ROOT).as_posix() for p in (ROOT / "template").rglob("*")]
    for path in paths:
        assert not re.search(r'[<>:"|?*\\]|[. ](/|$)', path), path
        assert not re.search(r"(^|/)(con|prn|aux|nul|com\d|lpt\d)(\.|/|$)", path, re.IGNORECASE), (
            path
        )
    assert len({path.lower() for path in paths}) == len(paths)


def test_jinja_stays_out_of_functions_and_file_names() -> None:
    for path in (ROOT / "template").rglob("*"):
        relative = path.relative_to(ROOT).as_posix()
        assert "{%" not in relative, relative
        if path.suffix == ".jinja":
            text = path.read_text()
            assert len(re.findall(r"\{% *(?:if|for|macro|block)", text)) <= 4, relative
        if path.name.endswith(".py.jinja"):
            inside = re.search(r"^ +.*(\{\{|\{%)", text, re.MULTILINE)
            assert not inside, f"{relative}: {inside}"
