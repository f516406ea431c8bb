"""What the sections of the settings are made of."""

import json
import re
from datetime import timedelta
from ipaddress import ip_interface
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    IPvAnyNetwork,
    ValidationInfo,
    field_validator,
)

_SHORTEST: Final = timedelta(milliseconds=1)
_LONGEST: Final = timedelta(days=3650)
_MAY_BE_ZERO: Final = frozenset({"clock_skew", "deletion_grace", "drain_timeout", "keys_interval"})
_PATH: Final = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")


class Section(BaseModel):
    """A group of settings that cannot change while the service runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*")
    @classmethod
    def _is_usable_duration(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, timedelta) and (value or info.field_name not in _MAY_BE_ZERO):
            if value < timedelta():
                raise ValueError("must not be negative")
            # Zero is no limit to PostgreSQL, and no pause between two looks for work.
            if not _SHORTEST <= value <= _LONGEST:
                raise ValueError("must be between PT0.001S and P3650D")
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


def _host(value: str) -> str:
    right = urlsplit(value if "//" in value else f"//{value}").netloc.rpartition("@")[2]
    if not right or value != right:
        raise ValueError(f"must be {right or 'a host, with its port if it has one'}")
    return value


def _address(value: str) -> str:
    right = _host(value)
    name, _, port = right.rpartition(":")
    if not name or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("must look like host.example.com:7233")
    return right


def _network(value: object) -> object:
    try:
        interface = ip_interface(str(value))
    except ValueError:
        return value  # Pydantic says so.
    if interface.ip != interface.network.network_address:
        raise ValueError(f"{value} is an address within {interface.network}: write either")
    return value


BaseUrl = Annotated[str, AfterValidator(_base_url)]
Host = Annotated[str, AfterValidator(_host)]
HostAndPort = Annotated[str, AfterValidator(_address)]
Network = Annotated[IPvAnyNetwork, BeforeValidator(_network)]
Origin = Annotated[str, AfterValidator(_origin)]
"""What a browser sends as `Origin`, or `*`."""
FromJson = BeforeValidator(_from_json)
"""The value is written as JSON, in `Annotated[..., FromJson]`."""
