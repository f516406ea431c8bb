"""Users sign in through the identity provider."""

from typing import Any, Final

from app.services.background_work import BackgroundWork
from app.services.sample_accounts_oidc import SampleAccounts
from app.services.seeding import Seeding
from tests.provider import REQUIRED, WRONG, sections

AUTH: Final[dict[str, Any]] = {}
USER_COLUMNS: Final[dict[str, Any]] = {}
SAMPLES: Final[dict[str, str]] = {}
"""The variables that `app seed` asks for: none."""


async def seed(work: BackgroundWork) -> None:
    """Add the samples, as `app seed` does."""
    await Seeding(work, SampleAccounts()).run()


__all__ = [
    "AUTH",
    "REQUIRED",
    "SAMPLES",
    "USER_COLUMNS",
    "WRONG",
    "sections",
    "seed",
]
