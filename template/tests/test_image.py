"""What goes into the image, what its containers may do, and that CI looks for known holes in it."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]


def read(path: str) -> str:
    return (ROOT / path).read_text()


def test_the_image_runs_as_nobody_special() -> None:
    stage = read("Dockerfile").split("\nFROM ")[-1]
    assert re.findall(r"^USER (.+)$", stage, re.MULTILINE)[-1].isdigit()
    assert not re.search(r"^USER 0$", stage, re.MULTILINE)


def test_it_is_built_from_the_lock_and_holds_no_secret() -> None:
    assert re.findall(r"uv sync (.+)", read("Dockerfile")) == [
        "--locked --no-dev --no-install-project"
    ]
    rules = [line for line in read(".dockerignore").splitlines() if not line.startswith("#")]
    assert rules[0] == "*"
    assert {"**/.env*", "**/*.key", "**/*.pem"} <= set(rules[rules.index("!src") :])


def test_its_containers_write_nothing_and_have_no_rights() -> None:
    own = re.findall(
        r"^x-service: &service\n(?:  .+\n)+",
        read("compose.yaml"),
        re.MULTILINE,
    )
    assert len(own) == read("compose.yaml").count("build:") == 1
    of_this_image = r"^  \w+:\n    <<: \*service\n(    build: \. #.*\n)?"
    built = re.findall(of_this_image, read("compose.yaml"), re.MULTILINE)
    assert built[0]
    assert not any(built[1:])
    lines = {line.strip().partition(" #")[0] for line in own[0].splitlines()}
    assert {
        "read_only: true",
        "cap_drop: [ALL]",
        'security_opt: ["no-new-privileges:true"]',
    } <= lines
    assert "privileged: true" not in read("compose.yaml")


def test_known_holes_are_looked_for_without_a_push() -> None:
    workflow = read(".github/workflows/ci.yml")
    assert "\n      - run: make audit\n" in workflow
    assert "\n  schedule:\n" in workflow
    assert "UV_LOCKED: 1" in workflow
    assert re.search(r"^audit:", read("Makefile"), re.MULTILINE)
