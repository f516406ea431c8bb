"""What importing the code may need, and which module may import which."""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

IMPORT_ALL: Final = """
import importlib, pkgutil, app
for module in pkgutil.walk_packages(app.__path__, "app."):
    if not module.name.endswith(".__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""
CHECK_LAYERS: Final = """
import sys
from importlinter.cli import lint_imports
sys.exit(lint_imports(no_cache=True))
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_importing_needs_no_environment(tmp_path: Path) -> None:
    done = run(IMPORT_ALL, tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"app.main", "app.cli.main", "app.core.settings"} <= set(done.stdout.split())


def test_layers_import_downwards_alone() -> None:
    done = run(CHECK_LAYERS, ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
