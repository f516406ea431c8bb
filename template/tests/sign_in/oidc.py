"""Users sign in through the identity provider."""

from typing import Any, Final

from app.core.security.token_settings import TokenSettings
from tests.provider import REQUIRED, WRONG, sections

USER_COLUMNS: Final[dict[str, Any]] = {}
PROCESS_VARIABLES: Final[dict[str, str]] = {}
SAMPLES: Final[dict[str, str]] = {}
"""The variables that `app seed` asks for: none."""


def auth(**tokens: Any) -> TokenSettings:
    """Return the section `auth`."""
    return TokenSettings(**tokens)


__all__ = [
    "PROCESS_VARIABLES",
    "REQUIRED",
    "SAMPLES",
    "USER_COLUMNS",
    "WRONG",
    "auth",
    "sections",
]
