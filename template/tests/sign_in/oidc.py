"""Users sign in through the identity provider."""

from typing import Any, Final

from app.core.security.token_settings import TokenSettings
from app.services.background_work import BackgroundWork
from app.services.sample_accounts_oidc import SampleAccounts
from app.services.seeding import Seeding
from tests.provider import REQUIRED, WRONG, sections

USER_COLUMNS: Final[dict[str, Any]] = {}
PROCESS_VARIABLES: Final[dict[str, str]] = {}
SAMPLES: Final[dict[str, str]] = {}
"""The variables that `app seed` asks for: none."""


def auth(**tokens: Any) -> TokenSettings:
    """Return the section `auth`."""
    return TokenSettings(**tokens)


async def seed(work: BackgroundWork) -> None:
    """Add the samples, as `app seed` does."""
    await Seeding(work, SampleAccounts()).run()


__all__ = [
    "PROCESS_VARIABLES",
    "REQUIRED",
    "SAMPLES",
    "USER_COLUMNS",
    "WRONG",
    "auth",
    "sections",
    "seed",
]
