"""docs/reliability.md and the faults that `make faults` makes are the same."""

import re
from pathlib import Path
from typing import Final

from faults.catalogue import FAULTS

PAGE: Final = (Path(__file__).parents[1] / "docs/reliability.md").read_text()


def tables() -> list[list[list[str]]]:
    """The rows of each table of the page, without its head."""
    found = re.findall(r"(?:^\|.*\|\n)+", PAGE, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
        for table in found
    ]


def test_each_fault_is_promised_with_its_bounds() -> None:
    promised = {row[0]: tuple(row[-2:]) for row in tables()[0]}
    assert promised == {
        fault.name: (f"{fault.requests_within:g} s", f"{fault.work_within:g} s") for fault in FAULTS
    }


def test_who_gets_503_and_who_loses_a_connection_is_told() -> None:
    for row, fault in zip(tables()[0], FAULTS, strict=True):
        assert fault.refuses == ("503" in row[2]), fault.name
        assert fault.hangs_up == (row[2] == "lost connections"), fault.name
