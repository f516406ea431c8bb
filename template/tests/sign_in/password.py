"""Users sign in with a password."""

from typing import Any, Final

from argon2 import PasswordHasher

from app.core.security.password_settings import PasswordSettings

PASSWORD: Final = "9 blue quaggas"
"""Of every user that a test does not give another; short, because estimating its strength takes the longer."""

MEMORY_KIB: Final = 64
"""Less than may be configured: hashing would be much of the suite's work."""

PROCESS_VARIABLES: Final = {"AUTH__HASHING_MEMORY_KIB": str(7 * 1024)}
"""A process accepts no less."""

USER_COLUMNS: Final[dict[str, Any]] = {
    "password_hash": PasswordHasher(1, MEMORY_KIB, 1).hash(PASSWORD)
}
REQUIRED: Final[dict[str, str]] = {}
SAMPLES: Final = {"DEV__SEED_PASSWORD": PASSWORD}
"""The variables that `app seed` asks for."""
WRONG: Final = [("AUTH__PASSWORD_MIN_SCORE", "5", "less than or equal to 4")]


def auth(**tokens: Any) -> PasswordSettings:
    """Return the section `auth` of an application in this process."""
    return PasswordSettings(**tokens).model_copy(update={"hashing_memory_kib": MEMORY_KIB})


def sections(_issuer: str | None = None) -> dict[str, Any]:
    """Return the sections of the settings that are about signing in, but for `auth`."""
    return {}
