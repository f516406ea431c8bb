"""Limits on what strangers do to sign in with a password, and their settings."""

from typing import Literal

from app.core.rate_limit.notation import Limits
from app.core.sections import Section

SignInRule = Literal[
    "login_account",
    "login_device",
    "login_address",
    "register_address",
    "mail_account",
    "token_address",
]


class SignInLimits(Section):
    """One limit for each `SignInRule`."""

    login_account: Limits = "5 per 1 minute"
    """Failures at one account's password by clients that have not signed in to it before."""
    login_device: Limits = "10 per 1 hour"
    """Failures of one client that has; what exceeds them counts for `login_account`."""
    login_address: Limits = "20 per 1 minute"
    register_address: Limits = "3 per 1 hour"
    mail_account: Limits = "3 per 1 hour"
    """Verification and reset mails to one account, a registration's among them."""
    token_address: Limits = "20 per 1 minute"  # noqa: S105  a limit, no token
    """Attempts at verification, reset and invite tokens."""
