from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from copier import _jinja_ext, _main
from plumbum import local
from pytest_copie.plugin import Copie

from matrix import choices, command
from plan import is_thin, turn
from render import ROOT, TEMPLATE, questions, snapshot

type Renderer = Callable[..., Path]

# What one run of the tests has rendered, the next need not: `make test` makes several.
RENDERS = ROOT / "build" / "renders"
RENDERS_KEPT_SECONDS = 2 * 3600

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

IDENTITY = {
    "GIT_AUTHOR_NAME": "tests",
    "GIT_AUTHOR_EMAIL": "tests@example.com",
    "GIT_COMMITTER_NAME": "tests",
    "GIT_COMMITTER_EMAIL": "tests@example.com",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the slow tests of all folders first, so that none of them is what a core waits for at the end.

    `make test` leaves those out that are marked `exhaustive`, and those whose turn it is not.
    """
    items.sort(
        key=lambda item: not (item.get_closest_marker("slow") or item.get_closest_marker("serial"))
    )
    if is_thin():
        left_out = [item for item in items if _is_left_out(item)]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def _is_left_out(item: pytest.Item) -> bool:
    turns = item.get_closest_marker("in_turn")
    of_another_commit = turns is not None and turn() % turns.kwargs["of"] != turns.args[0]
    return of_another_commit or item.get_closest_marker("exhaustive") is not None


def pytest_report_header() -> list[str]:
    """Tell what is tried with programs that the machine has or lacks: a browser, and PgBouncer and nginx in suites."""
    needed = {"pgbouncer": "tests/test_pooler.py", "nginx": "tests/test_reverse_proxy.py"}
    path = f"{os.environ['PATH']}:/usr/sbin"
    browser = (
        BROWSER or "no Chromium installed, so nobody clicks through the pages (tests/test_pages.py)"
    )
    return [f"browser: {browser}"] + [
        f"{program}: {shutil.which(program, path=path) or f'not installed, so suites run without {file}'}"
        for program, file in needed.items()
    ]


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


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Have a line printed when the test is over, in whichever process it runs."""
    return lambda line: record_property("told", line)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Print what tests tell; pytest-xdist hands reports to the process that has the terminal."""
    if report.when == "call":
        for name, line in report.user_properties:
            if name == "told":
                print(f"\n{line}", end="", flush=True)


@pytest.fixture(scope="session")
def template() -> Path:
    """The working tree's template, uncommitted changes included, without .git."""
    RENDERS.mkdir(parents=True, exist_ok=True)
    _forget_old_renders()
    with tempfile.TemporaryDirectory(prefix="draft-", dir=RENDERS) as draft:
        snapshot(Path(draft) / "template", *TEMPLATE)
        digest = hashlib.sha256((ROOT / "requirements.lock").read_bytes())
        for path, content in files(Path(draft)).items():
            digest.update(f"{path}\0{len(content)}\0".encode() + content)
        kept = RENDERS / digest.hexdigest()[:16]
        with suppress(OSError):  # it is there already
            Path(draft).rename(kept)
            Path(draft).mkdir()
    kept.touch()
    return kept / "template"


def _forget_old_renders() -> None:
    for folder in RENDERS.iterdir():
        if time.time() - folder.stat().st_mtime > RENDERS_KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def render(template: Path) -> Renderer:
    """Render once per state of the template and set of answers.

    The folder is shared, by processes and later runs too: copy it to change it.
    """

    def render_once(**answers: Any) -> Path:
        digest = hashlib.sha256(json.dumps(answers, sort_keys=True).encode()).hexdigest()
        done = template.parent / digest[:16]
        if not done.exists():
            with tempfile.TemporaryDirectory(prefix="draft-", dir=RENDERS) as draft:
                copie = Copie(template, Path(draft), config_file=Path(os.devnull))
                # The folder's name would be the project's, and pytest-copie numbers its folders.
                result = copie.copy({"project_name": "service"} | answers)
                if result.exception or not result.project_dir:
                    raise result.exception or AssertionError(result.exit_code)
                whole = Path(draft) / "whole"
                whole.mkdir()
                result.project_dir.rename(whole / "service")
                with suppress(OSError):  # another process was faster
                    whole.rename(done)
        return done / "service"

    return render_once


@pytest.fixture(scope="session", autouse=True)
def _render_faster() -> Iterator[None]:
    # Copier compiles every part of every path again, and asks git for each file whether the file system keeps modes:
    # most of a render's time. test_cli.py compares the result with the real command's.
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
        patch.setattr(_main, "is_git_available", lambda: False)
        yield


def printed(folder: Path, environment: Mapping[str, str], *command: str) -> str:
    """What a command prints in `folder`; a command that fails fails the test."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-8000:]}"
    return done.stdout


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
    """Every file below `folder`, by its path, but for what git and Python keep for themselves."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {".git", "__pycache__"} & set(path.relative_to(folder).parts)
    }
