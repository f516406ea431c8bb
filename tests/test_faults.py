"""Nothing is lost, half done or done twice, whatever breaks: `make faults` on one render of each background engine."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import Renderer
from matrix import Answers, choices, name
from plan import in_turn
from render import ROOT, proving, questions

pytestmark = [pytest.mark.serial, pytest.mark.slow]

COMBINATIONS: list[Answers] = [
    dict(zip(choices(questions()), answers, strict=True))
    for answers in (
        ("header", "temporal", "redis", "password"),
        ("subdomain", "postgres", "memory", "both"),
        ("token", "inline", "redis", "oidc"),
    )
]
IN_TURN = in_turn(COMBINATIONS)
STRETCH = 12
"""The other half of the suite takes its share of the machine; alone on it, `make faults` judges by the bounds."""

TIMEOUT_SECONDS = 900


@dataclass(frozen=True)
class Run:
    """How a run ended."""

    code: int
    output: str
    results: list[dict[str, Any]]


@pytest.fixture(scope="module")
def runs(
    render: Renderer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Run]]]:
    """Run all of them at once: most of the time each waits."""
    services = {name(answers): render(**answers) for answers in IN_TURN}
    kept = tmp_path_factory.mktemp("faults")
    with ThreadPoolExecutor(len(services)) as pool:
        yield {
            each: pool.submit(make_faults, service, kept / each)
            for each, service in services.items()
        }


def make_faults(service: Path, into: Path) -> Run:
    """Make every fault, and return what came of it."""
    done = subprocess.run(
        [sys.executable, "-m", "faults", "--stretch", str(STRETCH), "--into", str(into)],
        cwd=service,
        env=proving(service),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    results = into / "reliability.json"
    return Run(
        done.returncode, done.stdout, json.loads(results.read_text()) if results.exists() else []
    )


def verdict_first(output: str) -> str:
    """Return what was found, and then the end of what the service logged: a report of this may be cut."""
    lines = output.splitlines()
    found = [line for line in lines if " | {" not in line]
    logged = [line for line in lines if " | {" in line]
    return "\n".join([*found, *logged[-10:]])


def test_each_engine_is_among_them() -> None:
    """And each other answer that changes what can break."""
    for question in ("background_engine", "rate_limit_backend", "auth_mode"):
        wanted = set(choices(questions())[question]) - {"none"}
        assert {answers[question] for answers in COMBINATIONS} == wanted


@pytest.mark.parametrize("answers", IN_TURN, ids=name)
def test_every_fault_is_survived(
    runs: dict[str, Future[Run]], answers: Answers, tell: Callable[[str], None]
) -> None:
    run = runs[name(answers)].result()
    lost = [line for result in run.results for line in result["findings"]["lost"]]
    sent = sum(sum(result["outcomes"].values()) for result in run.results)
    survived = sum(result["survived"] for result in run.results)
    tell(
        f"{name(answers)}: {survived} of {len(run.results)} faults survived,"
        f" {sent} requests sent, {len(lost)} lost"
    )
    assert run.code == 0, verdict_first(run.output)
    assert survived == len(run.results) > 0
    assert not lost
    # The load was one, and each fault that has to be felt was felt.
    told = {result["name"]: result for result in run.results}
    assert all(sum(result["outcomes"].values()) > 100 for result in run.results)
    for felt in ("PostgreSQL restarted", "PostgreSQL killed", "Disk full", "Pool exhausted"):
        assert told[felt]["outcomes"].get("503"), felt
    assert told["API killed between commit and answer"]["findings"]["unanswered"] >= 1


def rows(markdown: str) -> list[list[str]]:
    """The cells of each row of its first table, with its head."""
    table = re.search(r"(?:^\|.*\|\n)+", markdown, re.MULTILINE)
    assert table
    lines = table[0].splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line
    ]


@pytest.mark.parametrize("engine", choices(questions())["background_engine"])
def test_each_fault_that_a_render_promises_to_survive_was_measured(
    render: Renderer, engine: str
) -> None:
    measured = (ROOT / "docs/reliability.md").read_text().split(f"`background_engine={engine}`")[1]
    promised = render(background_engine=engine) / "docs/reliability.md"
    head, *results = rows(measured)
    for (name_, *_, requests_within, work_within), row in zip(
        rows(promised.read_text())[1:], results, strict=True
    ):
        told = dict(zip(head, row, strict=True))
        assert told["Fault"] == name_
        assert _seconds(told["Requests normal after"]) <= _seconds(requests_within), name_
        assert _seconds(told["Work normal after"]) <= _seconds(work_within), name_


def _seconds(cell: str) -> float:
    return float(cell.removesuffix(" s"))
