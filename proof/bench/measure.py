"""Rounds of load, interleaved: what one application suffers from the machine, the others suffer, too."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Final

from bench import usage
from bench.load import Job, Load
from bench.scenarios import Plan
from bench.stage import Application, Stage

WARM_UP_CLIENTS: Final = 16
"""More than a pool has connections: each of them opens, and prepares its statements."""

_DEGRADED: Final = re.compile(r"^\w+_degraded(\{.*\})? 1\.0$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Step:
    """One application, one kind of request, so many clients."""

    application: Application
    request: str
    """What the report calls it."""
    file: str
    clients: int


@dataclass(slots=True)
class Measured:
    """A step's rounds, summed up."""

    application: str
    request: str
    clients: int
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    postgres_cpu_seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers in a second."""
        return len(self.milliseconds) / self.seconds

    @property
    def cpu_ms(self) -> float:
        """The application's CPU time for one answer."""
        return self.cpu_seconds * 1000 / len(self.milliseconds)

    @property
    def postgres_cpu_ms(self) -> float:
        """PostgreSQL's, all of its processes together."""
        return self.postgres_cpu_seconds * 1000 / len(self.milliseconds)

    @property
    def p50_ms(self) -> float:
        """Half of the answers came faster."""
        return quantiles(self.milliseconds, n=100)[49]

    @property
    def p99_ms(self) -> float:
        """99 of 100 answers came faster."""
        return quantiles(self.milliseconds, n=100)[98]

    def add(self, other: "Measured") -> None:
        """Add another round."""
        self.seconds += other.seconds
        self.cpu_seconds += other.cpu_seconds
        self.postgres_cpu_seconds += other.postgres_cpu_seconds
        self.milliseconds += other.milliseconds


class Rounds:
    """Runs steps in turn, several times."""

    def __init__(self, stage: Stage, load: Load, plan: Plan) -> None:
        self.stage = stage
        self.load = load
        self.plan = plan

    def run(self, steps: Sequence[Step]) -> list[Measured]:
        """Return what each step came to, in the order of `steps`."""
        self.warm_up(steps)
        total = [Measured(s.application.name, s.request, s.clients) for s in steps]
        for turn in range(self.plan.rounds):
            order = list(zip(total, steps, strict=True))
            # Each goes first once: what is measured after a pause has it easier.
            for measured, step in order[turn % len(order) :] + order[: turn % len(order)]:
                measured.add(self.once(step))
        return total

    def warm_up(self, steps: Sequence[Step]) -> None:
        """Send what the steps will send, until it has been seen."""
        for step in _distinct(steps):
            port = step.application.port
            self.load.run(Job(port, step.file, WARM_UP_CLIENTS, self.plan.warm_up_seconds))

    def once(self, step: Step) -> Measured:
        """Return one round of one step.

        Raises:
            RuntimeError: the service had to do without one of its servers.
        """
        job = Job(step.application.port, step.file, step.clients, self.plan.seconds)
        cpu = usage.cpu_seconds(step.application.pid)
        postgres = usage.cpu_seconds(self.stage.postgres_pid)
        outcome = self.load.run(job)
        measured = Measured(
            step.application.name,
            step.request,
            step.clients,
            outcome.seconds,
            usage.cpu_seconds(step.application.pid) - cpu,
            usage.cpu_seconds(self.stage.postgres_pid) - postgres,
            outcome.milliseconds,
        )
        if step.application.name == "service":
            _refuse_degraded(step.application)
        return measured


def _refuse_degraded(service: Application) -> None:
    found = _DEGRADED.search(service.read("/metrics"))
    if found:
        raise RuntimeError(f"the service did less than it promises: {found[0]}")


def _distinct(steps: Iterable[Step]) -> list[Step]:
    return list({(step.application.name, step.file): step for step in steps}.values())
