"""What the tests of this folder cannot know of a route or a table, put together.

They look for dictionaries `ACCESS`, `REQUESTS`, `BUDGETS`, `ROWS` and `LARGER` here and, for yours, in `tests/resources`:
a module for each resource, as no release of the template has it.
"""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any


def place_of(module: str) -> str:
    """Return the file that says what they cannot know of the routes or the table in a module of the application."""
    return f"tests/resources/{module.rpartition('.')[2]}.py"


@cache
def table(name: str) -> dict[str, Any]:
    """Return the union of the dictionaries `name`; yours, and else the last in the alphabet, win."""
    tests = Path(__file__).parents[1]
    merged: dict[str, Any] = {}
    for folder in ("routes", "resources"):
        for module in sorted(path.stem for path in (tests / folder).glob("*.py")):
            if not module.startswith(("test_", "__")):
                merged |= getattr(import_module(f"tests.{folder}.{module}"), name, {})
    return merged
