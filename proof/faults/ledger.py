"""What was asked of the service, and what it said: afterwards its database has to agree."""

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(slots=True)
class Written:
    """A project, as far as a client knows it."""

    tenant: str
    name: str
    id: UUID | None = None
    """None: its creation was not acknowledged."""
    descriptions: list[str | None] = field(default_factory=lambda: [None])
    """The last acknowledged one, and those that were sent since without an answer."""
    deleted: bool | None = False
    """None: its deletion was not acknowledged."""


@dataclass(slots=True)
class Founded:
    """A tenant, as far as its owner knows it."""

    slug: str
    acknowledged: bool = False
    deleted: bool | None = False
    """None: its deletion was not acknowledged."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request."""

    at: float
    """When it came, by the monotonic clock."""
    seconds: float
    outcome: str
    """The status; more of it, if no document allows that; or what went wrong with the connection."""

    @property
    def is_good(self) -> bool:
        """Whether the request was done."""
        return self.outcome.startswith("2")


@dataclass(slots=True)
class Ledger:
    """Of one fault."""

    answers: list[Answer] = field(default_factory=list)
    projects: list[Written] = field(default_factory=list)
    tenants: list[Founded] = field(default_factory=list)

    def normal_at(self, since: float, in_a_row: int) -> float | None:
        """Return when the first of so many good answers in a row came after a moment."""
        first, count = since, 0
        for answer in self.answers:
            if answer.at < since:
                continue
            if not answer.is_good:
                count = 0
                continue
            count += 1
            first = answer.at if count == 1 else first
            if count == in_a_row:
                return first
        return None
