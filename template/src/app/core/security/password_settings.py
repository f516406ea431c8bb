"""Settings of passwords and of the mails that prove an address."""

from datetime import timedelta

from pydantic import Field, PositiveInt

from app.core.security.token_settings import TokenSettings


class PasswordSettings(TokenSettings):
    """Those of tokens as well: both are the section `AUTH`."""

    verification_ttl: timedelta = timedelta(hours=24)
    reset_ttl: timedelta = timedelta(hours=1)
    password_min_score: int = Field(default=3, ge=0, le=4)
    """zxcvbn's score that a new password must reach: 0 (guessed at once) to 4."""
    hashing_memory_kib: int = Field(default=46 * 1024, ge=7 * 1024, le=4 * 1024 * 1024)
    """Argon2id with one lane; with one iteration this is OWASP's first choice (Password Storage)."""
    hashing_iterations: PositiveInt = 1
    hashing_concurrency: PositiveInt = 1
    """Argon2 runs at the same time in one process; more of them delay other requests."""
