"""The tenants and people that `app seed` adds, for whoever adds them or shows how to sign in as them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Sample:
    """A tenant, its people, and its projects with their tasks."""

    slug: str
    name: str
    owner: str
    members: tuple[str, ...]
    projects: Mapping[str, tuple[str, ...]]


SAMPLES: Final = (
    Sample(
        slug="acme",
        name="Acme",
        owner="owner@acme.test",
        members=("member@acme.test",),
        projects={
            "Roadrunner trap": ("Order birdseed", "Oil the spring"),
            "Rocket skates": (),
            "Tunnel painting": (),
        },
    ),
    Sample(
        slug="globex",
        name="Globex",
        owner="owner@globex.test",
        members=(),
        projects={"Weather machine": ("Book a satellite",), "Hammock district": ()},
    ),
)
SUPERUSER: Final = "admin@platform.test"


@dataclass(frozen=True, slots=True)
class Login:
    """A user that can sign in once the samples are there."""

    email: str
    tenant: str | None
    role: str


def logins() -> list[Login]:
    """Return every user of the samples."""
    of_tenants = [
        Login(email, sample.slug, role)
        for sample in SAMPLES
        for email, role in [(sample.owner, "owner"), *((m, "member") for m in sample.members)]
    ]
    return [*of_tenants, Login(SUPERUSER, None, "superuser")]
