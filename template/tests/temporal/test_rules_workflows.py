"""What the workflow sandbox may import."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).parents[2]

IMPORT_WORKFLOWS: Final = """
import importlib, pkgutil, sys
import app.temporal.workflows as folder
for module in pkgutil.iter_modules(folder.__path__, folder.__name__ + "."):
    importlib.import_module(module.name)
print(*sys.modules)
"""


def test_workflows_import_no_database_code() -> None:
    # The sandbox imports again what a workflow imports; a second asyncpg crashes the process (asyncpg #1292).
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_WORKFLOWS],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.split())
    assert any(name.startswith("app.temporal.workflows.") for name in imported)
    assert not imported & {"asyncpg", "sqlalchemy", "app.core.settings"}
