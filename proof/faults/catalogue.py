"""Every fault, in the order in which they are made."""

from importlib import import_module
from typing import Final

from faults import postgres, processes
from faults.fault import Fault
from service import ANSWERS


def _of(module: str, is_there: bool) -> tuple[Fault, ...]:
    faults: tuple[Fault, ...] = import_module(module).FAULTS if is_there else ()
    return faults


FAULTS: Final = (
    *postgres.FAULTS,
    *processes.FAULTS,
    *_of("faults.temporal", ANSWERS["background_engine"] == "temporal"),
    *_of("faults.valkey", ANSWERS["rate_limit_backend"] == "redis"),
)
