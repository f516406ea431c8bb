"""A selection of tests starts the servers that it asks for, and no other."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.servers import embedded

ROOT: Final = Path(__file__).parents[1]

OBSERVER: Final = """
import json, os
from tests.servers import embedded

def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        with open(os.environ["SEEN"], "w") as file:
            json.dump(embedded.serving(), file)
"""


def selected(folder: Path, text: str, *options: str) -> list[str]:
    """Run a file of tests, and return the servers that were started."""
    (folder / "test_it.py").write_text(text)
    (folder / "observer.py").write_text(OBSERVER)
    # Servers that the environment names would not be started at all.
    named = {name: text for name, text in os.environ.items() if name not in embedded.known()}
    path = os.pathsep.join([str(folder), str(ROOT / "src"), str(ROOT)])
    plugins = [
        part for name in ("tests.conftest", "observer", "no:cacheprovider") for part in ("-p", name)
    ]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-c",
            "pytest.ini",
            *plugins,
            *options,
            folder / "test_it.py",
        ],
        cwd=ROOT,
        env={**named, "PYTHONPATH": path, "SEEN": str(folder / "seen.json")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    servers: list[str] = json.loads((folder / "seen.json").read_text())
    return servers


@pytest.mark.slow
def test_pure_tests_start_no_server(tmp_path: Path) -> None:
    assert selected(tmp_path, "def test_it(tmp_path):\n    assert tmp_path\n") == []


@pytest.mark.slow
def test_what_needs_postgresql_starts_it_alone_in_one_process_of_several(tmp_path: Path) -> None:
    text = "def test_it(admin_url):\n    assert admin_url\n"
    assert selected(tmp_path, text, "-n", "2") == ["TEST_DATABASE_URL"]
