"""The tables of this folder, put together."""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any


@cache
def table(name: str) -> dict[str, Any]:
    """Return the union of the dictionaries `name` in the modules of this folder; the last in the alphabet wins."""
    modules = sorted(path.stem for path in Path(__file__).parent.glob("*.py"))
    merged: dict[str, Any] = {}
    for module in modules:
        if not module.startswith("test_"):
            merged |= getattr(import_module(f"tests.routes.{module}"), name, {})
    return merged
