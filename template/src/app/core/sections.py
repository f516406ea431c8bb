"""What the sections of the settings are made of."""

import json
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, field_validator


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
    """Tell whether `value` is a URL of one of these schemes that names a host."""
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and bool(parts.netloc) and parts.port != 0
    except ValueError:
        # No number where the port is: most likely a password with an unescaped `/`, `#` or `?`.
        return False


def _base_url(value: str) -> str:
    if not is_url(value, "http", "https"):
        raise ValueError("must look like https://app.example.com")
    return value.rstrip("/")


def _from_json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('must be JSON: {"name": "secret"} or ["one", "two"]') from None


BaseUrl = Annotated[str, AfterValidator(_base_url)]
FromJson = BeforeValidator(_from_json)
"""The value is written as JSON, in `Annotated[..., FromJson]`."""
