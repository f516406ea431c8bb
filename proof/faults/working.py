"""The process that does background work, and where each process tells how it is."""

from collections.abc import Mapping
from typing import Final

from service import ANSWERS

ANSWERS_TOO: Final = ANSWERS["background_engine"] == "inline"
"""Whether clients lose connections with it."""
WORKING: Final = "api" if ANSWERS_TOO else "worker"
TITLE: Final = "API" if ANSWERS_TOO else "Worker"
PORTS: Final[Mapping[str, str]] = {"PORT": "api"} | (
    {} if ANSWERS_TOO else {"WORKER__HEALTH_PORT": "worker"}
)
"""Settings, and whose port each is."""
