"""Every combination of the answers that copier.yml offers."""

import itertools
import os
import shlex
from typing import Any

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


def combinations() -> list[Answers]:
    """The full product, or what the variable ANSWERS leaves of it."""
    axes = choices(questions())
    wanted = parse_answers(shlex.split(os.environ.get("ANSWERS", "")))
    product = (dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))
    return [
        c for c in product if c.items() >= {k: v for k, v in wanted.items() if k in axes}.items()
    ]


def name(answers: Answers) -> str:
    """A combination's id in the test report."""
    return "-".join(answers.values())


def command(answers: Answers) -> str:
    """The words that repeat one combination's suite."""
    return 'make test-suites ANSWERS="' + " ".join(f"{k}={v}" for k, v in answers.items()) + '"'
