"""A module is run as the usual interpreter runs it, but for what it finds imported."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TELL = """
import json, os, resource, sys
said = {
    "arguments": sys.argv,
    "environment": dict(os.environ),
    "folder": os.getcwd(),
    "file_size": resource.getrlimit(resource.RLIMIT_FSIZE)[0],
    "imported": "fractions" in sys.modules,
    "name": __name__,
    "path": sys.path,
    "read": sys.stdin.read(),
}
print(json.dumps(said))
print("on the other", file=sys.stderr)
"""

# In a process of its own, because it has to have no other threads.
START = """
import fractions, subprocess, sys
from interpreters import interpreter
with interpreter(sys.path) as program:
    print(program, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def program() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", START],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        program = process.stdout.readline().strip()
        yield program
    assert not Path(program).exists()


def run(program: str, folder: Path, code: str, *arguments: str, **options: Any) -> Any:
    """Run code as a module of that folder."""
    (folder / "module.py").write_text(code)
    return subprocess.run(
        [program, "-m", "module", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_a_module_gets_what_it_was_started_with(program: str, tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    variables = {"PYTHONPATH": str(tmp_path / "else"), "LC_ALL": "C.UTF-8"}
    limited = f'ulimit -f 8 && exec {program} "$@"'
    (tmp_path / "module.py").write_text(TELL)

    done = subprocess.run(
        ["/bin/sh", "-c", limited, "sh", "-m", "module", "one", "--two"],
        cwd=tmp_path,
        env=variables,
        input="said to it",
        capture_output=True,
        text=True,
        check=True,
    )

    said = json.loads(done.stdout)
    assert done.stderr == "on the other\n"
    assert said["arguments"] == [str(tmp_path / "module.py"), "one", "--two"]
    assert said["environment"].items() >= variables.items()
    assert "HOME" not in said["environment"]
    assert said["folder"] == str(tmp_path)
    assert 0 < said["file_size"] <= 8 * 1024
    assert said["imported"]
    assert said["name"] == "__main__"
    assert said["path"][:2] == [str(tmp_path), str(tmp_path / "else")]
    assert said["read"] == "said to it"


@pytest.mark.parametrize(
    ("code", "exit_code", "error"),
    [
        ("", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('a sentence')", 1, "a sentence"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("import os; os.abort()", -signal.SIGABRT, ""),
    ],
    ids=["ends", "code", "sentence", "exception", "signal"],
)
def test_it_ends_as_the_module_does(
    program: str, tmp_path: Path, code: str, exit_code: int, error: str
) -> None:
    done = run(program, tmp_path, code)
    assert done.returncode == exit_code, done.stderr
    assert error in done.stderr


WAITS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("waiting", flush=True)
time.sleep(300)
print("nobody came")
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 7), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_signal_reaches_the_module(program: str, tmp_path: Path, number: int, code: int) -> None:
    (tmp_path / "module.py").write_text(WAITS)
    with subprocess.Popen([program, "-m", "module"], cwd=tmp_path, stdout=subprocess.PIPE) as begun:
        assert begun.stdout
        assert begun.stdout.readline()
        begun.send_signal(number)
        # The pipe is closed when nothing that has it runs any more.
        assert begun.stdout.read() == b""
        assert begun.wait() == code


def test_other_arguments_are_the_usual_interpreters(program: str) -> None:
    code = "import sys; print(sys.executable, 'fractions' in sys.modules)"
    done = subprocess.run([program, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [sys.executable, "False"]


def test_pytest_is_run_by_the_usual_interpreter(program: str, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n\ndef test_it():\n    assert 'pytest' in sys.orig_argv\n"
    )
    done = subprocess.run(
        [program, "-m", "pytest", "-q", "test_it.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
