"""Temporal's development server."""

from pathlib import Path
from typing import Final

from app.dev.servers.temporal import Temporal
from tests.servers.embedded import Embedded

VARIABLE: Final = "TEST_TEMPORAL_ADDRESS"


def make(folder: Path) -> Embedded:
    """Return one that forgets everything, and its host and port."""
    temporal = Temporal(folder, durable=False)
    return temporal, lambda: temporal.address
