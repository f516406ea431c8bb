"""The combinations of the answers that copier.yml offers; run as a script, the jobs that share them out."""

import itertools
import json
import os
import shlex
from pathlib import Path
from typing import Any

from allpairspy import AllPairs

from render import parse_answers, questions

type Answers = dict[str, str]


def choices(asked: dict[str, Any]) -> dict[str, list[str]]:
    """What may be answered to each question with a closed set of answers."""
    found = {}
    for name, question in asked.items():
        offered = question.get("choices", [])
        values = offered.values() if isinstance(offered, dict) else offered
        if values:
            found[name] = [v["value"] if isinstance(v, dict) else v for v in values]
    return found


def wanted_choices() -> dict[str, list[str]]:
    """What may be answered, or what the variable ANSWERS leaves of it.

    Raises:
        ValueError: ANSWERS has an answer that no question offers.
    """
    axes = choices(questions())
    wanted = parse_answers(shlex.split(os.environ.get("ANSWERS", "")))
    for question in axes.keys() & wanted.keys():
        if wanted[question] not in axes[question]:
            raise ValueError(f"{wanted[question]!r} is no answer to {question}")
        axes[question] = [wanted[question]]
    return axes


def combinations() -> list[Answers]:
    """The full product of what is wanted; with MATRIX=pairs so many that each two answers meet in one of them."""
    axes = wanted_choices()
    return pairs(axes) if os.environ.get("MATRIX") == "pairs" else product(axes)


def product(axes: dict[str, list[str]]) -> list[Answers]:
    """Every combination."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def pairs(axes: dict[str, list[str]]) -> list[Answers]:
    """A covering array of strength two: whichever two answers, one of its combinations has both."""
    # The fewest combinations come out when the question with the most answers is the last.
    order = sorted(axes, key=lambda question: len(axes[question]))
    rows = [dict(zip(order, values, strict=True)) for values in AllPairs([axes[q] for q in order])]
    return [{question: row[question] for question in axes} for row in rows]


def singles(axes: dict[str, list[str]]) -> list[Answers]:
    """A few combinations in which each answer is met."""
    longest = max(len(values) for values in axes.values())
    return [
        {question: values[n % len(values)] for question, values in axes.items()}
        for n in range(longest)
    ]


def jobs() -> list[str]:
    """What ANSWERS is for each job of a run that shares the product out: one of each two answers to two questions."""
    (first, second, *_) = choices(questions()).items()
    return [f"{first[0]}={a} {second[0]}={b}" for a, b in itertools.product(first[1], second[1])]


def name(answers: Answers) -> str:
    """A combination's id in the test report."""
    return "-".join(answers.values())


def words(answers: Answers) -> str:
    """Answers as ANSWERS takes them."""
    return " ".join(f"{question}={answer}" for question, answer in answers.items())


def command(answers: Answers, test: Path) -> str:
    """The words that repeat the tests of one combination."""
    targets = {"test_suites.py": "test-suites", "test_faults.py": "faults"}
    target = targets.get(test.name, "test-template")
    return f'make {target} ANSWERS="{words(answers)}"'


if __name__ == "__main__":
    print(json.dumps(jobs()))
