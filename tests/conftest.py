from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from copier import _jinja_ext, _main, run_copy
from plumbum import local

from render import TEMPLATE, snapshot

type Renderer = Callable[..., Path]

IDENTITY = {
    "GIT_AUTHOR_NAME": "tests",
    "GIT_AUTHOR_EMAIL": "tests@example.com",
    "GIT_COMMITTER_NAME": "tests",
    "GIT_COMMITTER_EMAIL": "tests@example.com",
}


@pytest.fixture(scope="session", autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No git or Copier configuration of the person who runs the tests."""
    settings = tmp_path_factory.mktemp("copier") / "settings.yml"
    settings.write_text("{}\n")
    environment = IDENTITY | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "COPIER_SETTINGS_PATH": str(settings),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for key, value in environment.items():
            patch.setenv(key, value)
            local.env[key] = value  # plumbum copied the environment at import
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree's template, uncommitted changes included, without .git."""
    folder = tmp_path_factory.mktemp("template")
    snapshot(folder, *TEMPLATE)
    return folder


@pytest.fixture(scope="session")
def render(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Renderer]:
    """Render once per set of answers. The folder is shared: copy it to change it."""
    rendered: dict[frozenset[tuple[str, Any]], Path] = {}

    def render_once(**answers: Any) -> Path:
        key = frozenset(answers.items())
        if key not in rendered:
            rendered[key] = tmp_path_factory.mktemp("render") / "service"
            run_copy(str(template), rendered[key], data=answers, defaults=True, quiet=True)
        return rendered[key]

    with pytest.MonkeyPatch.context() as patch:
        _render_faster(patch)
        yield render_once


def _render_faster(patch: pytest.MonkeyPatch) -> None:
    # Copier compiles every part of every path anew and asks git about each file: four fifths of a
    # render's time. test_cli.py holds the result to that of the real command.
    environment: Any = vars(_main)["SandboxedEnvironment"]
    compile_source = environment.compile
    compiled: dict[Any, Any] = {}

    def compile_once(self: Any, source: Any, *arguments: Any, **options: Any) -> Any:
        if not isinstance(source, str):
            return compile_source(self, source, *arguments, **options)
        state = _jinja_ext.get_yield_context(self)  # what YieldExtension.preprocess resets
        state.yield_name = state.yield_iterable = None
        key = (source, arguments, frozenset(options.items()))
        if key not in compiled:
            compiled[key] = compile_source(self, source, *arguments, **options)
        return compiled[key]

    patch.setattr(environment, "compile", compile_once)
    patch.setattr(_main, "is_git_available", lambda: False)


def git(folder: Path, *arguments: str) -> str:
    """What git prints when it runs in `folder`."""
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def commit(folder: Path) -> None:
    """Commit everything, if there is anything."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "state")


def files(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }
