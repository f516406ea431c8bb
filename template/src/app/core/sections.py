"""What sections of the settings are made of."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, field_validator


class Section(BaseModel):
    """A group of settings that cannot change while the service runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*")
    @classmethod
    def _is_no_negative_duration(cls, value: Any) -> Any:
        if isinstance(value, timedelta) and value < timedelta():
            raise ValueError("must not be negative")
        return value


def is_url(value: str, *schemes: str) -> bool:
    """Tell whether `value` is a URL with one of the schemes and a host."""
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and bool(parts.netloc) and parts.port != 0
    except ValueError:
        # No number where the port is: most likely a password with an unescaped `/`, `#` or `?`.
        return False
