"""The walk-through of docs/architecture.md: its files make a resource, and change no other file."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.test_rules import RULES, Rule, Source

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).parents[1]
BLOCK: Final = re.compile(r"^```python\n# (src/app/\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS: Final = BLOCK.findall((ROOT / "docs" / "architecture.md").read_text())

LOOK: Final = """
import importlib, pkgutil
import app as package
for module in pkgutil.walk_packages(package.__path__, "app."):
    if not module.name.endswith(".__main__"):
        importlib.import_module(module.name)

from fastapi import FastAPI
from app.api.v1 import routers
from app.models.trees import tenant_tree

app = FastAPI()
for router in routers():
    app.include_router(router)
document = app.openapi()
print(*(method for method in document["paths"]["/invoices"]))
print(*document["paths"]["/invoices"]["post"]["responses"])
print(*tenant_tree().metadata.tables)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    shutil.copytree(ROOT / "src", folder / "src")
    for path, text in BLOCKS:
        assert not (folder / path).exists(), f"{path} is there already"
        (folder / path).write_text(text)
    (folder / "look.py").write_text(LOOK)
    return folder


@pytest.fixture(scope="module")
def look(copy: Path) -> subprocess.CompletedProcess[str]:
    """All of the service's modules, and the resource, in a process without an environment or a settings file."""
    return subprocess.run(
        [sys.executable, "-m", "look"],
        cwd=copy,
        env={"PYTHONPATH": str(copy / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_importing_needs_no_environment(look: subprocess.CompletedProcess[str]) -> None:
    assert look.returncode == 0, look.stderr


def test_the_files_make_a_resource(look: subprocess.CompletedProcess[str]) -> None:
    methods, answers, tables = look.stdout.splitlines()
    assert methods.split() == ["get", "post"]
    assert {"201", "409"} <= set(answers.split())
    assert "invoices" in tables.split()


def test_the_files_keep_the_style(copy: Path) -> None:
    files = [copy / path for path, _ in BLOCKS]
    for check in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check, "--no-cache", "--config", "ruff.toml"]
        done = subprocess.run(
            [*command, *map(str, files)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_files_keep_the_rule(rule: Rule) -> None:
    for path, text in BLOCKS:
        assert not list(rule(Source(Path(path), text))), path
