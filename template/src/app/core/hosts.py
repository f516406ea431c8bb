"""The hosts that the service answers on: the lobby's, and one for each tenant."""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel

_DOMAIN: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")


def _domain(value: str) -> str:
    parts = urlsplit(value if "//" in value else f"//{value}")
    right = parts.hostname or ""
    if len(right) > 200 or not _DOMAIN.fullmatch(right) or right.rpartition(".")[2].isdecimal():
        raise ValueError("must be a domain such as example.com, without scheme and port")
    if value.lower() != right:
        raise ValueError(f"must be {right}")
    return right


class HostSections(BaseModel):
    """What `Settings` has for the hosts."""

    base_domain: Annotated[str, AfterValidator(_domain)]
    """Tenants are at its subdomains."""


def host_label(slug: str) -> str:
    """Return a slug as part of a host, which has no underscore: `a_b` and `a-b` are the same tenant."""
    return slug.replace("_", "-")
