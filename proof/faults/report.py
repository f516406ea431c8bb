"""Results as a table, as JSON, and as lines for whoever waits."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from faults.run import Result

COLUMNS: Final = (
    "Fault",
    "Requests",
    "503",
    "Connections lost",
    "Slowest answer",
    "Requests normal after",
    "Work normal after",
    "Done, not told",
)
BEGIN: Final = "<!-- measured by make faults -->"
END: Final = "<!-- end -->"


def table(results: Sequence[Result]) -> str:
    """Return what was measured in Markdown."""
    rows = [COLUMNS, ["---"] * len(COLUMNS), *(_row(result) for result in results)]
    lines = [f"{os.cpu_count()} cores, {datetime.now(UTC):%d %B %Y}. {summary(results)}", ""]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def summary(results: Sequence[Result]) -> str:
    """Return the run in a sentence."""
    survived = sum(result.is_survived for result in results)
    lost = sum(len(result.findings.lost) for result in results)
    sent = sum(result.requests for result in results)
    return (
        f"{survived} of {len(results)} faults survived, {sent} requests sent,"
        f" {lost} acknowledged changes lost."
    )


def line(result: Result) -> str:
    """Return one result, and what is wrong about it."""
    state = "survived" if result.is_survived else "NOT SURVIVED"
    told = dict(zip(COLUMNS[1:], _row(result)[1:], strict=True))
    about = ", ".join(f"{value} {name.lower()}" for name, value in told.items())
    wrong = [*result.complaints, *result.findings.all()]
    return "\n    ".join([f"{result.name}: {state}; {about}", *wrong])


def write(results: Sequence[Result], folder: Path) -> None:
    """Write `reliability.json`, and the table into `reliability.md`.

    A page that is there already gets it between two lines, `BEGIN` and `END`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = [{**asdict(result), "survived": result.is_survived} for result in results]
    (folder / "reliability.json").write_text(json.dumps(kept, indent=1) + "\n")
    page = folder / "reliability.md"
    text = page.read_text() if page.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}")


def _row(result: Result) -> Sequence[str]:
    refused = result.outcomes.get("503", 0)
    lost = sum(count for outcome, count in result.outcomes.items() if outcome.isidentifier())
    return (
        result.name,
        str(result.requests),
        str(refused),
        str(lost),
        _seconds(result.slowest_seconds),
        _seconds(result.requests_seconds),
        _seconds(result.work_seconds),
        str(result.findings.unanswered),
    )


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"
