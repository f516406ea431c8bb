"""Which combinations are tested, where, and that none is forgotten."""

import json
import os
import subprocess
import sys
from itertools import combinations as each_two
from itertools import product as each_of
from typing import Any

import pytest
import yaml

from matrix import choices, combinations, jobs, name, pairs, product, singles
from render import ROOT, parse_answers, questions

AXES = {"a": ["1", "2", "3", "4"], "b": ["1", "2", "3"], "c": ["1", "2", "3"], "d": ["1", "2"]}


def test_the_product_has_every_combination_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANSWERS", raising=False)
    monkeypatch.delenv("MATRIX", raising=False)
    axes = choices(questions())
    everything = combinations()
    assert sorted(map(name, everything)) == sorted(map("-".join, each_of(*axes.values())))
    assert len(everything) == len({name(answers) for answers in everything})


def test_answers_narrow_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    question, [*_, last] = next(iter(choices(questions()).items()))
    monkeypatch.setenv("ANSWERS", f"{question}={last}")
    monkeypatch.delenv("MATRIX", raising=False)
    everything = product(choices(questions()))
    assert combinations() == [answers for answers in everything if answers[question] == last]


def test_an_answer_that_nobody_offers_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSWERS", "tenant_strategy=cookie")
    with pytest.raises(ValueError, match="'cookie' is no answer to tenant_strategy"):
        combinations()


def test_pairs_have_each_two_answers() -> None:
    chosen = pairs(AXES)
    assert len(chosen) < len(product(AXES)) / 3
    for first, second in each_two(AXES, 2):
        met = {(answers[first], answers[second]) for answers in chosen}
        assert met == set(each_of(AXES[first], AXES[second]))


def test_singles_have_each_answer() -> None:
    chosen = singles(AXES)
    assert len(chosen) == 4
    for question, values in AXES.items():
        assert {answers[question] for answers in chosen} == set(values)


def test_the_workflow_shares_out_every_combination_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MATRIX", raising=False)
    shared = []
    for answers in jobs():
        monkeypatch.setenv("ANSWERS", answers)
        assert parse_answers(answers.split())
        shared += [name(combination) for combination in combinations()]
    monkeypatch.delenv("ANSWERS")
    assert sorted(shared) == sorted(map(name, combinations()))


def test_the_workflow_computes_its_matrix() -> None:
    workflow: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    computed, suites = workflow["jobs"]["jobs"], workflow["jobs"]["suites"]
    assert any("make --silent jobs" in step.get("run", "") for step in computed["steps"])
    assert computed["outputs"] == {"answers": "${{ steps.jobs.outputs.answers }}"}
    assert suites["needs"] == "jobs"
    assert suites["strategy"]["matrix"]["answers"] == "${{ fromJSON(needs.jobs.outputs.answers) }}"
    assert suites["env"]["ANSWERS"] == "${{ matrix.answers }}"
    assert suites["steps"][-1]["run"] == "make test-suites"


def test_the_script_prints_the_jobs() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tests/matrix.py"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == jobs()
