from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from copier import _jinja_ext, _main, run_copy
from plumbum import local

from matrix import choices, command
from render import TEMPLATE, questions, snapshot

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell how to repeat what has failed for one combination of answers."""
    report = yield
    answers: Any = item.callspec.params.get("answers") if hasattr(item, "callspec") else None
    if report.failed and answers and answers.keys() == choices(questions()).keys():
        report.sections.append(("Repeat it with", command(answers, item.path)))
    return report


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree's template, uncommitted changes included, without .git."""
    folder = tmp_path_factory.mktemp("template")
    snapshot(folder, *TEMPLATE)
    return folder


@pytest.fixture(scope="session")
def render(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    """Render once per set of answers. The folder is shared, by processes too: copy it to change it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def render_once(**answers: Any) -> Path:
        digest = hashlib.sha256(json.dumps(answers, sort_keys=True).encode()).hexdigest()
        done = shared / "renders" / digest[:16]
        if not done.exists():
            draft = tmp_path_factory.mktemp("draft")
            with without_git():
                run_copy(str(template), draft / "service", data=answers, defaults=True, quiet=True)
            done.parent.mkdir(exist_ok=True)
            with suppress(OSError):  # another process was faster
                draft.rename(done)
        return done / "service"

    return render_once


@contextmanager
def without_git() -> Iterator[None]:
    """Let Copier not ask git about each file; for renders of a template without .git."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_main, "is_git_available", lambda: False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _render_faster() -> Iterator[None]:
    # Copier compiles every part of every path anew: most of a render's time. test_cli.py holds the
    # result to that of the real command.
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

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "compile", compile_once)
        yield


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
