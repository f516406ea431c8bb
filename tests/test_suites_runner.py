"""What counts as a green suite, and what stays from one render to the next."""

from collections import Counter
from pathlib import Path

import pytest

from suites import Outcome, mirror, record, recorded, run_suite, spread

PASSES = "def test_it():\n    assert True\n"
WRONG = {
    "has_no_test": "",
    "fails": "def test_it():\n    assert False\n",
    "skips": "import pytest\n\n@pytest.mark.skip\ndef test_it():\n    pass\n",
    "expects_failure": "import pytest\n\n@pytest.mark.xfail\ndef test_it():\n    assert False\n",
    "cannot_be_imported": "import nothing_of_that_name\n",
    "dies": "import os\n\ndef test_it():\n    os._exit(0)\n",
}


def service(folder: Path, **tests: str) -> Path:
    """A render with these test files, and nothing else."""
    (folder / "tests").mkdir(parents=True)
    for name, text in tests.items():
        (folder / "tests" / f"test_{name}.py").write_text(text)
    return folder


def test_a_suite_whose_tests_all_pass_is_green(tmp_path: Path) -> None:
    outcome = run_suite(service(tmp_path / "render", it=PASSES), tmp_path / "copy", {})
    assert outcome.is_green, outcome
    assert (outcome.collected, outcome.passed) == (1, 1)


@pytest.mark.parametrize("name", WRONG)
def test_any_other_is_not(tmp_path: Path, name: str) -> None:
    passing = {"it": PASSES} if WRONG[name] else {}
    render = service(tmp_path / "render", **passing, **{name: WRONG[name]})
    assert not run_suite(render, tmp_path / "copy", {}).is_green


def test_tests_may_be_left_out_where_that_was_asked_for(tmp_path: Path) -> None:
    render = service(tmp_path / "render", it=PASSES, fails=WRONG["fails"])
    outcome = run_suite(render, tmp_path / "copy", {}, "-k", "test_it and not fails")
    assert outcome.is_green, outcome
    assert (outcome.passed, outcome.deselected) == (1, 1)

    (render / "pytest.ini").write_text("[pytest]\naddopts = -k 'not fails'\n")
    assert not run_suite(render, tmp_path / "copy", {}).is_green


def test_what_failed_is_named(tmp_path: Path) -> None:
    render = service(tmp_path / "render", it=PASSES, fails=WRONG["fails"])
    outcome = run_suite(render, tmp_path / "copy", {})
    assert outcome.failed == ["FAILED tests/test_fails.py::test_it - assert False"]


def test_a_test_file_is_spread_over_the_renders_that_have_it(tmp_path: Path) -> None:
    common = {f"common_{n}": PASSES for n in range(6)}
    renders = [
        service(tmp_path / "0", **common, own=PASSES),
        service(tmp_path / "1", **common),
        service(tmp_path / "2", **common, other=PASSES),
        service(tmp_path / "3", **common, other=PASSES + "\n"),
    ]
    shares = spread(renders, 2)
    for name in common:
        runs = [share.count(f"tests/test_{name}.py") for share in shares]
        assert runs in ([1, 0, 1, 0], [0, 1, 0, 1])
    assert [len(share) for share in shares] == [3 + 1, 3, 3 + 1, 3 + 1]
    assert "tests/test_own.py" in shares[0]
    # Two texts are two files.
    assert "tests/test_other.py" in shares[2]
    assert "tests/test_other.py" in shares[3]


def test_only_what_differs_is_written_anew(tmp_path: Path) -> None:
    first = service(tmp_path / "first", kept=PASSES, changed=PASSES, removed=PASSES)
    second = service(tmp_path / "second", kept=PASSES, changed=PASSES + "\n", added=PASSES)
    mirror(first, tmp_path / "copy")
    tests = tmp_path / "copy" / "tests"
    (tests / "__pycache__").mkdir()
    (tests / "__pycache__" / "compiled").write_text("")
    before = {path.name: path.stat().st_mtime_ns for path in tests.glob("*.py")}

    mirror(second, tmp_path / "copy")

    after = {path.name: path.stat().st_mtime_ns for path in tests.glob("*.py")}
    assert after.keys() == {"test_kept.py", "test_changed.py", "test_added.py"}
    assert after["test_kept.py"] == before["test_kept.py"]
    assert (tests / "test_changed.py").read_text() == PASSES + "\n"
    assert (tests / "__pycache__" / "compiled").exists()


def test_what_was_recorded_is_read_as_it_was(tmp_path: Path) -> None:
    outcome = Outcome(1, 1, attacks=Counter({"a token of another tenant": 3}), exit_code=0)
    record(service(tmp_path / "render"), outcome)
    assert recorded(tmp_path / "render") == outcome
    assert recorded(tmp_path / "other" / "render") is None
