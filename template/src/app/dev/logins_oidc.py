"""How the seeded users sign in: at the development identity provider, which asks for no password."""

from collections.abc import Mapping
from pathlib import Path


def login_settings(_folder: Path, _own: Mapping[str, str]) -> dict[str, str]:
    """The settings of the seeded users, who need none."""
    return {}


def how_to_sign_in(_values: Mapping[str, str]) -> tuple[str, str]:
    """What the summary says below the seeded users."""
    return "password", "none: sign in on the service's page as any of them"
