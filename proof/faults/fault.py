"""What a fault is: how it is made, what it lasts, and within which bounds the service is as before."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Final, Self

from faults.clients import Cast
from faults.ledger import Ledger
from faults.stage import Stage
from faults.wires import CommitWire

MOMENT: Final = 2.0
"""Seconds: long enough that every client meets the fault."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a fault is made: under load."""

    stage: Stage
    cast: Cast
    ledger: Ledger
    wires: list[CommitWire] = field(default_factory=list)
    """What a fault has put between the API and PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One of the table in docs/reliability.md."""

    name: str
    """What the table calls it."""
    made: Callable[[Scene], AbstractAsyncContextManager[None]]
    """The fault lasts as long as the block; afterwards nobody does anything by hand."""
    work_within: float
    """How long after its end what waited in the background is done and what is new is done at once, in seconds."""
    answers_within: float = 10
    """The longest that a client waits, in seconds."""
    requests_within: float = 5
    """How long after its end every request is answered as usual, in seconds."""
    lasts: float = MOMENT
    hangs_up: bool = False
    """Whether clients lose connections: the API itself dies."""
    refuses: bool = True
    """Whether clients may get 503."""
    founding: bool = True
    """Whether tenants are founded and deleted meanwhile."""
    before: Callable[[Scene], AbstractAsyncContextManager[None]] | None = None
    """What it needs around it, made while nobody sends requests."""

    def stretched(self, factor: float) -> Self:
        """Return it with bounds that are so many times longer."""
        return replace(
            self,
            work_within=self.work_within * factor,
            answers_within=self.answers_within * factor,
            requests_within=self.requests_within * factor,
        )
