"""Users sign in with a password or through the identity provider."""

from typing import Final

from tests import provider
from tests.provider import sections
from tests.sign_in import password
from tests.sign_in.password import AUTH, SAMPLES, USER_COLUMNS, seed

REQUIRED: Final = provider.REQUIRED
WRONG: Final = [*password.WRONG, *provider.WRONG]

__all__ = [
    "AUTH",
    "REQUIRED",
    "SAMPLES",
    "USER_COLUMNS",
    "WRONG",
    "sections",
    "seed",
]
