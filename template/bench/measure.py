"""Rounds of load, interleaved: what one application suffers from the machine, the others suffer, too."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Final

from bench import usage
from bench.load import Job, Load
from bench.stage import Application, Stage

WARM_UP_SECONDS: Final = 1.0


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

    def __init__(self, stage: Stage, load: Load, *, rounds: int, seconds: float) -> None:
        self.stage = stage
        self.load = load
        self.rounds = rounds
        self.seconds = seconds

    def run(self, steps: Sequence[Step]) -> list[Measured]:
        """Return what each step came to, in the order of `steps`."""
        for step in _distinct(steps):
            self.load.run(Job(step.application.port, step.file, 8, WARM_UP_SECONDS))
        total = [Measured(s.application.name, s.request, s.clients) for s in steps]
        for turn in range(self.rounds):
            order = list(zip(total, steps, strict=True))
            # Each goes first once: what is measured after a pause has it easier.
            for measured, step in order[turn % len(order) :] + order[: turn % len(order)]:
                measured.add(self.once(step))
        return total

    def once(self, step: Step) -> Measured:
        """Return one round of one step."""
        job = Job(step.application.port, step.file, step.clients, self.seconds)
        cpu = usage.cpu_seconds(step.application.pid)
        postgres = usage.cpu_seconds(self.stage.postgres_pid)
        outcome = self.load.run(job)
        return Measured(
            step.application.name,
            step.request,
            step.clients,
            outcome.seconds,
            usage.cpu_seconds(step.application.pid) - cpu,
            usage.cpu_seconds(self.stage.postgres_pid) - postgres,
            outcome.milliseconds,
        )


def _distinct(steps: Iterable[Step]) -> list[Step]:
    return list({(step.application.name, step.file): step for step in steps}.values())
