"""How long tests wait for what only has to happen."""

from datetime import timedelta
from typing import Final

PATIENCE_SECONDS: Final = 180.0
"""A busy machine is late, and what is awaited or asked for again and again costs no more than it takes."""

PATIENCE: Final = timedelta(seconds=PATIENCE_SECONDS)
