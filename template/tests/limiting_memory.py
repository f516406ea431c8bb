"""Rate limits counted by the process itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def counting() -> Iterator[dict[str, Any]]:
    """Yield the sections of the settings with which limits are really counted."""
    yield {}
