"""What gets into a render's CI, image and containers, and with which rights."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import Renderer
from matrix import Answers, choices, name, pairs
from render import ROOT, questions

every_two = pytest.mark.parametrize("answers", pairs(choices(questions())), ids=name)


def workflow_of(project: Path) -> Any:
    return yaml.safe_load((project / ".github/workflows/ci.yml").read_text())


def assert_least_rights(workflow: Any) -> None:
    """Fail if a job may do more than read, or gives what it reads to later steps."""
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            action, _, version = step.get("uses", "").partition("@")
            assert not action or action.startswith("actions/"), "of GitHub's own"
            assert bool(action) == bool(re.fullmatch(r"v\d+|[0-9a-f]{40}", version))
            if action == "actions/checkout":
                assert step["with"]["persist-credentials"] is False
            assert "github.event" not in step.get("run", ""), "a stranger's text in a shell"


def test_the_workflow_of_this_template() -> None:
    assert_least_rights(workflow_of(ROOT))


@every_two
def test_the_workflow_installs_what_is_locked_and_audits_it(
    render: Renderer, answers: Answers
) -> None:
    workflow = workflow_of(render(**answers))
    assert_least_rights(workflow)
    assert workflow["env"]["UV_LOCKED"] == 1
    runs = [step.get("run") for job in workflow["jobs"].values() for step in job["steps"]]
    assert {"make audit", "make lint", "make typecheck", "make test"} < set(runs)
    # `on` is a boolean in YAML 1.1.
    assert workflow[True]["schedule"], "vulnerabilities appear without a push"


@every_two
def test_newer_releases_are_proposed_of_all_that_is_pinned(
    render: Renderer, answers: Answers
) -> None:
    service = render(**answers)
    pinned = {
        # In the order of the file.
        "uv": "pyproject.toml",
        "github-actions": ".github/workflows/ci.yml",
        "docker": "Dockerfile",
        "docker-compose": "compose.yaml",
        "npm": "package-lock.json",
    }
    updates = yaml.safe_load((service / ".github/dependabot.yml").read_text())["updates"]
    for update in updates:
        folder = service / update["directory"].lstrip("/")
        assert (folder / pinned[update["package-ecosystem"]]).is_file()
        assert update["cooldown"]["default-days"] >= 7
    found = [each for each, path in pinned.items() if list(service.rglob(Path(path).name))]
    assert [update["package-ecosystem"] for update in updates] == found


def test_newer_releases_are_proposed_of_what_services_begin_with() -> None:
    pinned = {
        "github-actions": ".github/workflows/ci.yml",
        "docker": "Dockerfile",
        "npm": "package-lock.json",
    }
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    assert [update["package-ecosystem"] for update in updates] == list(pinned)
    for update in updates:
        for folder in update.get("directories") or [update["directory"]]:
            assert (ROOT / folder.lstrip("/") / pinned[update["package-ecosystem"]]).is_file()
        assert update["cooldown"]["default-days"] >= 7


@every_two
def test_the_image_is_built_from_the_lock_and_of_nothing_else(
    render: Renderer, answers: Answers
) -> None:
    service = render(**answers)
    dockerfile = (service / "Dockerfile").read_text()
    assert re.findall(r"uv sync (.*)", dockerfile) == ["--locked --no-dev --no-install-project"]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    first, *rules = [
        line
        for line in (service / ".dockerignore").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert first == "*"
    allowed = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert sorted(allowed) == sorted(" ".join(copied).split())
    assert {"**/.env*", "**/*.key", "**/*.pem"} < set(rules[rules.index("!src") :])


@every_two
def test_containers_of_the_service_have_no_rights_and_write_nothing(
    render: Renderer, answers: Answers
) -> None:
    containers = yaml.safe_load((render(**answers) / "compose.yaml").read_text())["services"]
    image = containers["api"]["image"]
    own = {name: container for name, container in containers.items() if container["image"] == image}
    assert len(own) >= 2
    # Several builds of one image at once fail on its name.
    assert [name for name, container in containers.items() if "build" in container] == ["migrate"]
    for container in own.values():
        assert container["read_only"] is True
        assert container["tmpfs"] == ["/tmp"]  # noqa: S108  what is expected of the file
        assert container["cap_drop"] == ["ALL"]
        assert container["security_opt"] == ["no-new-privileges:true"]
        assert not container.keys() & {"volumes", "privileged", "cap_add", "user", "network_mode"}


@every_two
def test_rules_about_security_are_on(render: Renderer, answers: Answers) -> None:
    lint = tomllib.loads((render(**answers) / "ruff.toml").read_text())["lint"]
    assert "S" in lint["select"]
    assert not [rule for rule in lint["ignore"] if rule.startswith("S")]
    for files, rules in lint["per-file-ignores"].items():
        ignored = {rule for rule in rules if re.match(r"S\d", rule)}
        tests = {"S101", "S105", "S106", "S107", "S603"}
        is_tests = files.startswith(("tests/", "fuzz/"))
        assert ignored <= (tests if is_tests else {"S603"}), files
