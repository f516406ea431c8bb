"""docs/threat-model.md names a test for each threat, and each of them exists."""

import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
TEXT: Final = (ROOT / "docs" / "threat-model.md").read_text()
THREATS: Final = [
    row
    for table in re.findall(r"^\| Threat \|.*?\n\|[-|]+\n(.*?)\n\n", TEXT, re.MULTILINE | re.DOTALL)
    for row in table.splitlines()
]


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


@cache
def named_in(path: Path) -> set[str]:
    text = path.read_text() if path.is_file() else ""
    return set(re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE))


def exists(test: str) -> bool:
    file, _, name = test.partition("::")
    found = named_in(ROOT / file)
    return name in found if name else bool(found)


@pytest.mark.parametrize("row", THREATS, ids=lambda row: cells(row)[0][:60])
def test_a_threat_has_a_control_and_a_test(row: str) -> None:
    threat, control, held_by = cells(row)
    tests = re.findall(r"`(tests/[^`]+)`", held_by)
    assert threat
    assert control
    assert tests
    assert [test for test in tests if not exists(test)] == []


def test_every_section_is_read() -> None:
    assert len(THREATS) == len(re.findall(r"^\|.*`tests/.*\|$", TEXT, re.MULTILINE)) > 20
