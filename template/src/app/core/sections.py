"""What the sections of the settings are made of."""

import json
import re
from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, field_validator

_PATH: Final = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")


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
    url = value if "//" in value else f"https://{value}"
    origin = _origin_of(url)
    if origin is None:
        raise ValueError("must look like https://app.example.com")
    path = urlsplit(url).path.rstrip("/")
    right = f"{origin}{path if _PATH.fullmatch(path) else ''}"
    if value.rstrip("/") != right:
        raise ValueError(f"must be {right}")
    return right


def _origin(value: str) -> str:
    if value == "*":
        return value
    if "*" in value:
        raise ValueError(f"{value}: list each origin, or write * for all")
    right = _origin_of(value if "//" in value else f"https://{value}")
    if right is None:
        raise ValueError(f"{value}: must look like https://app.example.com")
    if value != right:
        raise ValueError(f"{value}: browsers send {right}")
    return value


def _origin_of(url: str) -> str | None:
    # As browsers write it: RFC 6454, 6.2.
    if not is_url(url, "http", "https"):
        return None
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    is_default = parts.port in (None, {"http": 80, "https": 443}[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if is_default else f":{parts.port}")


def _from_json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('must be JSON: {"name": "secret"} or ["one", "two"]') from None


BaseUrl = Annotated[str, AfterValidator(_base_url)]
Origin = Annotated[str, AfterValidator(_origin)]
"""What a browser sends as `Origin`, or `*`."""
FromJson = BeforeValidator(_from_json)
"""The value is written as JSON, in `Annotated[..., FromJson]`."""
