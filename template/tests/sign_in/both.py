"""Users sign in with a password or through the identity provider."""

from typing import Any, Final

from tests import provider
from tests.provider import sections
from tests.sign_in import password
from tests.sign_in.password import PROCESS_VARIABLES, SAMPLES, auth

USER_COLUMNS: Final[dict[str, Any]] = {
    **password.USER_COLUMNS,
    "password_predates_proof": False,
}
REQUIRED: Final = provider.REQUIRED
WRONG: Final = [*password.WRONG, *provider.WRONG]

__all__ = [
    "PROCESS_VARIABLES",
    "REQUIRED",
    "SAMPLES",
    "USER_COLUMNS",
    "WRONG",
    "auth",
    "sections",
]
