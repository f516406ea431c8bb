"""Render the working tree, uncommitted changes included: `render.py DEST [question=answer ...]`."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from copier import run_copy

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ("copier.yml", "extensions", "template")
PROOF = ROOT / "proof"
"""What is run against a render: `bench` and `faults`."""


def questions() -> dict[str, Any]:
    """The questions of the working tree's copier.yml, by name."""
    config = yaml.safe_load((ROOT / "copier.yml").read_text())
    return {name: question for name, question in config.items() if not name.startswith("_")}


def parse_answers(words: list[str]) -> dict[str, str]:
    """Answers written as `question=answer`.

    Raises:
        ValueError: a word has no `=`, or names no question; Copier itself would ignore it.
    """
    known = questions()
    answers = {}
    for word in words:
        question, equals, answer = word.partition("=")
        if not equals:
            raise ValueError(f"{word!r} is no answer: write question=answer.")
        if question not in known:
            raise ValueError(f"{question!r} is no question. The questions are {', '.join(known)}.")
        answers[question] = answer
    return answers


def snapshot(target: Path, *paths: str) -> None:
    """Copy what git tracks or would track below `paths` (all of it, if none is named).

    A folder without .git renders in half the time of a repository, which Copier clones first.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source, copy = ROOT / name, target / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)


def render(destination: Path, answers: dict[str, str]) -> None:
    """Write a service from the working tree.

    Raises:
        ValueError: the template refuses an answer.
    """
    with tempfile.TemporaryDirectory(prefix="lobby-") as folder:
        snapshot(Path(folder), *TEMPLATE)
        run_copy(folder, destination, data=answers, defaults=True, overwrite=True, quiet=True)


@contextmanager
def rendered(answers: list[str]) -> Iterator[Path]:
    """A service in a temporary folder, from answers written as `question=answer`.

    Exits with a sentence where the template refuses an answer.
    """
    with tempfile.TemporaryDirectory(prefix="lobby-") as folder:
        service = Path(folder) / "service"
        try:
            render(service, parse_answers(answers))
        except ValueError as refused:
            sys.exit(f"lobby-saas: {refused}")
        yield service


def proving(service: Path) -> dict[str, str]:
    """Return an environment in which a render's modules and those of `proof` are found."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (service, service / "src", PROOF)))}


def run_module(service: Path, module: str, *arguments: str) -> int:
    """Run a module of `proof` against a service, and return its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=service,
        env=proving(service),
        check=False,
    )
    return done.returncode


def main(words: list[str]) -> None:
    if not words:
        sys.exit("usage: render.py DEST [question=answer ...]")
    try:
        render(Path(words[0]), parse_answers(words[1:]))
    except ValueError as refused:
        sys.exit(f"lobby-saas: {refused}")


if __name__ == "__main__":
    main(sys.argv[1:])
