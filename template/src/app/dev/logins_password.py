"""How the seeded users sign in: with one password, given or made up once for each data folder."""

import secrets
from collections.abc import Mapping
from pathlib import Path

from app.dev.data_folder import write_private


def login_settings(folder: Path, own: Mapping[str, str]) -> dict[str, str]:
    """The settings of the seeded users; `SEED_PASSWORD` of the environment replaces a known password."""
    file = folder / "seed_password"
    known = file.read_text() if file.exists() else secrets.token_urlsafe(12)
    password = own.get("SEED_PASSWORD") or known
    write_private(file, password)
    return {"DEV__SEED_PASSWORD": password}


def how_to_sign_in(values: Mapping[str, str]) -> tuple[str, str]:
    """What the summary says below the seeded users."""
    return "password", values["DEV__SEED_PASSWORD"]
