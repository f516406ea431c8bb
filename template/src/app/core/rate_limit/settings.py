"""How often is too often."""

from typing import Annotated

from limits import parse_many
from pydantic import AfterValidator

from app.core.sections import Section


def _limits(value: str) -> str:
    try:
        parse_many(value)
    except ValueError:
        raise ValueError("must look like `5 per 1 minute`, several joined by `;`") from None
    return value


Limits = Annotated[str, AfterValidator(_limits)]


class RateLimitSettings(Section):
    """Limits in the notation of the `limits` library, several joined by `;`."""

    enabled: bool = True
    client: Limits = "20 per 2 second"
    """Each client address: ten a second, with bursts of twenty."""
    tenant: Limits = "100 per 1 second"
    login_account: Limits = "5 per 1 minute"
    login_address: Limits = "20 per 1 minute"
    register_address: Limits = "3 per 1 hour"
    mail_account: Limits = "3 per 1 hour"
    """Verification and reset mails to one account."""
    token_address: Limits = "20 per 1 minute"  # noqa: S105  a limit, no token
    """Attempts at verification, reset and invite tokens."""
