"""Limits on what strangers do to sign in through the identity provider, and their settings."""

from typing import Literal

from app.core.rate_limit.notation import Limits
from app.core.sections import Section

SignInRule = Literal["login_address", "token_address"]


class SignInLimits(Section):
    """One limit for each `SignInRule`."""

    login_address: Limits = "20 per 1 minute"
    """Steps of a sign-in."""
    token_address: Limits = "20 per 1 minute"  # noqa: S105  a limit, no token
    """Attempts at invite tokens."""
