"""A selection of a render's tests starts the servers that it asks for, and no other."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from conftest import Renderer
from plan import in_turn

pytestmark = pytest.mark.slow

ENGINES: Final = in_turn(["temporal", "postgres", "inline"])

OBSERVER: Final = """
import json, os
from tests.servers import embedded

def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        with open(os.environ["SEEN"], "w") as file:
            json.dump(embedded.serving(), file)
"""


def selected(service: Path, folder: Path, text: str, *options: str) -> list[str]:
    """Run a file of tests, and return the servers that were started."""
    (folder / "test_it.py").write_text(text)
    (folder / "observer.py").write_text(OBSERVER)
    # Servers that the environment names would not be started at all.
    named = {name: text for name, text in os.environ.items() if not name.startswith("TEST_")}
    path = os.pathsep.join([str(folder), str(service / "src"), str(service)])
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
        cwd=service,
        env={**named, "PYTHONPATH": path, "SEEN": str(folder / "seen.json")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    servers: list[str] = json.loads((folder / "seen.json").read_text())
    return servers


@pytest.mark.parametrize("background_engine", ENGINES)
def test_pure_tests_start_no_server(
    render: Renderer, tmp_path: Path, background_engine: str
) -> None:
    service = render(background_engine=background_engine)
    text = "def test_it(tmp_path):\n    assert tmp_path\n"
    assert selected(service, tmp_path, text) == []


@pytest.mark.parametrize("background_engine", ENGINES)
def test_what_needs_postgresql_starts_it_alone_in_one_process_of_several(
    render: Renderer, tmp_path: Path, background_engine: str
) -> None:
    service = render(background_engine=background_engine)
    text = "def test_it(admin_url):\n    assert admin_url\n"
    assert selected(service, tmp_path, text, "-n", "2") == ["TEST_DATABASE_URL"]
