"""A run's numbers as a table, as JSON and as a picture."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

from bench.measure import Measured
from bench.run import CLIENTS, Results
from bench.scenarios import LIST, Plan
from bench.targets import Target, targets
from bench.trips import Trips

NAMES: Final = {
    "bare": "bare floor",
    "guarded": "guarded floor",
    "service": "service",
    "with middlewares": "nothing, with middlewares",
    "without middlewares": "nothing, without",
}
COLOURS: Final = {"bare": "#9aa5b1", "guarded": "#52606d", "service": "#2680c2"}
COLUMNS: Final = (
    "Request",
    "Application",
    "Clients",
    "req/s",
    "p50 ms",
    "p99 ms",
    "CPU ms",
    "÷ bare",
    "÷ guarded",
    "PostgreSQL CPU ms",
    "trips",
    "statements",
)
BEGIN: Final = "<!-- measured by make bench -->"
END: Final = "<!-- end -->"
PICTURE: Final = "![CPU and throughput beside the floors](performance.svg)"
BAR, GAP, LABEL, WIDTH = 18, 8, 150, 640


def tables(results: Results, plan: Plan) -> str:
    """Return the numbers in Markdown."""
    return "\n".join(
        [
            f"{_machine()}, {datetime.now(UTC):%d %B %Y}. {plan.rounds} rounds of"
            f" {plan.seconds:g} s for each row, interleaved; {plan.tenants} tenants in turn.",
            "",
            *_table(
                COLUMNS,
                [_row(results, m) for m in _sorted(results)],
            ),
            "",
            *_table(
                ("Target", "Limit", "Measured", ""),
                [_target_row(target) for target in targets(results)],
            ),
            "",
            *_table(
                ("Memory", "MB"),
                [(name, f"{mb:.0f}") for name, mb in results.memory_mb.items()],
            ),
        ]
    )


def write(results: Results, plan: Plan, folder: Path) -> None:
    """Write `performance.json` and `performance.svg`, and the tables into `performance.md`.

    A page that is there already gets them between two lines, `BEGIN` and `END`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "performance.svg").write_text(picture(results))
    (folder / "performance.json").write_text(json.dumps(_document(results, plan), indent=1) + "\n")
    page = folder / "performance.md"
    text = page.read_text() if page.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    measured = f"{PICTURE}\n\n{tables(results, plan)}"
    page.write_text(f"{before}{BEGIN}\n{measured}\n{END}{after}")


def picture(results: Results) -> str:
    """Return the CPU time of a list, and its throughput, as SVG."""
    applications = list(COLOURS)
    cpu = [(name, results.of(name, LIST).cpu_ms) for name in applications]
    throughput = [(name, results.of(name, LIST).per_second) for name in applications]
    half = 40 + len(applications) * (BAR + GAP)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {2 * half}"'
            ' font-family="sans-serif" font-size="13">',
            f'<rect width="{WIDTH}" height="{2 * half}" fill="#ffffff"/>',
            *_bars(0, f"CPU of the application, ms per {LIST}", cpu, "{:.2f}"),
            *_bars(
                half, f"Throughput, {CLIENTS} clients, requests per second", throughput, "{:.0f}"
            ),
            "</svg>\n",
        ]
    )


def _bars(top: int, title: str, values: Sequence[tuple[str, float]], shape: str) -> Iterable[str]:
    largest = max(value for _, value in values)
    yield f'<text x="0" y="{top + 20}" font-weight="bold">{escape(title)}</text>'
    for index, (name, value) in enumerate(values):
        y = top + 32 + index * (BAR + GAP)
        width = (WIDTH - LABEL - 70) * value / largest
        yield f'<text x="0" y="{y + 14}">{escape(NAMES[name])}</text>'
        yield f'<rect x="{LABEL}" y="{y}" width="{width:.0f}" height="{BAR}" fill="{COLOURS[name]}"/>'
        yield f'<text x="{LABEL + width + 6:.0f}" y="{y + 14}">{shape.format(value)}</text>'


def _sorted(results: Results) -> list[Measured]:
    return [*results.measured, *results.disturbed, *results.neighbours, *results.by_tenants]


def _row(results: Results, measured: Measured) -> Sequence[str]:
    trips = results.trips.get(measured.application, {}).get(measured.request)
    return (
        measured.request,
        NAMES[measured.application],
        str(measured.clients),
        f"{measured.per_second:.0f}",
        f"{measured.p50_ms:.1f}",
        f"{measured.p99_ms:.1f}",
        f"{measured.cpu_ms:.2f}",
        _ratio(results, measured, "bare"),
        _ratio(results, measured, "guarded"),
        f"{measured.postgres_cpu_ms:.2f}",
        _trips(trips) if trips else "",
        str(trips.statements) if trips else "",
    )


def _trips(trips: Trips) -> str:
    # To PostgreSQL, and to what else is asked.
    return " + ".join(str(count) for count in (trips.postgres, *trips.others.values()))


def _ratio(results: Results, measured: Measured, floor: str) -> str:
    if floor not in results.trips or measured.request not in results.trips[floor]:
        return ""
    return f"{measured.cpu_ms / results.of(floor, measured.request, measured.clients).cpu_ms:.2f}"


def _target_row(target: Target) -> Sequence[str]:
    limit = f"{'≥' if target.at_least else '≤'} {target.limit:g}"
    return target.name, limit, f"{target.value:.3g}", "met" if target.met else "**missed**"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _document(results: Results, plan: Plan) -> dict[str, Any]:
    steps = [
        {
            "application": m.application,
            "request": m.request,
            "clients": m.clients,
            "answers": len(m.milliseconds),
            "per_second": round(m.per_second, 1),
            "p50_ms": round(m.p50_ms, 2),
            "p99_ms": round(m.p99_ms, 2),
            "cpu_ms": round(m.cpu_ms, 4),
            "postgres_cpu_ms": round(m.postgres_cpu_ms, 4),
        }
        for m in _sorted(results)
    ]
    return {
        "machine": _machine(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": asdict(plan),
        "steps": steps,
        "trips": {
            application: {request: asdict(trips) for request, trips in requests.items()}
            for application, requests in results.trips.items()
        },
        "start_seconds": round(results.start_seconds, 3),
        "resident_mb": round(results.resident_mb, 1),
        "memory_mb": {name: round(mb, 1) for name, mb in results.memory_mb.items()},
        "targets": [{**asdict(target), "met": target.met} for target in targets(results)],
    }


def _machine() -> str:
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    cores = os.cpu_count()
    return f"{cores} cores of {model or platform.machine()}, Python {platform.python_version()}"
