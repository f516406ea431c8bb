"""Settings of the tokens that the service issues."""

from datetime import timedelta
from typing import Annotated, Final, Self

from pydantic import Field, SecretStr, model_validator

from app.core import about
from app.core.sections import FromJson, Section

MIN_SECRET_BYTES: Final = 32
MAKE_A_KEY: Final = "make one with `python -c 'import secrets; print(secrets.token_urlsafe(48))'`"

# A freed slug is kept from other tenants for longer (`app.core.slugs.SLUG_HOLD`).
TokenLife = Annotated[timedelta, Field(le=timedelta(days=1))]


class TokenSettings(Section):
    """`keys` holds every key that is still accepted, by its `kid`; `active_kid` signs."""

    keys: Annotated[dict[str, SecretStr], FromJson]
    active_kid: str
    issuer: str = about.SLUG
    audience: str = f"{about.SLUG}-api"
    access_ttl: TokenLife = timedelta(minutes=30)
    refresh_ttl: timedelta = timedelta(days=7)
    session_ttl: timedelta = timedelta(days=30)
    """The longest that refreshing can keep one session alive."""
    sessions_per_sign_in: int = Field(default=20, ge=2)
    """How many sessions a sign-in may have at once, its own included."""
    assumed_ttl: TokenLife = timedelta(minutes=15)
    invite_ttl: timedelta = timedelta(days=7)
    clock_skew: timedelta = timedelta(seconds=10)

    @model_validator(mode="after")
    def _usable_keys(self) -> Self:
        for kid, key in self.keys.items():
            if len(key.get_secret_value().encode()) < MIN_SECRET_BYTES:
                raise ValueError(
                    f"AUTH__KEYS: the key {kid!r} is shorter than {MIN_SECRET_BYTES} bytes, so tokens"
                    f" could be forged by guessing it; {MAKE_A_KEY}"
                )
        if self.active_kid not in self.keys:
            raise ValueError(
                f"AUTH__ACTIVE_KID: there is no key {self.active_kid!r} in AUTH__KEYS, so nothing"
                " could be signed"
            )
        return self
