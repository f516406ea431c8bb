"""The slug rule, stated once: the API, the models and the database take it from here."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints

SLUG_PATTERN: Final = r"^[a-z0-9]+([-_][a-z0-9]+)*$"
SLUG_MAX_LENGTH: Final = 56
"""`tenant_` and 56 characters are the 63 bytes of a PostgreSQL name."""
UUID_PATTERN: Final = r"^[0-9a-f]{32}$"
"""What a slug may not be once its hyphens are taken out."""

_SLUG = re.compile(SLUG_PATTERN)
_UUID = re.compile(UUID_PATTERN)


def is_slug(value: str) -> bool:
    """Tell whether `value` may name a tenant. What reads as a UUID may not, so that no slug is taken for an id."""
    return (
        len(value) <= SLUG_MAX_LENGTH and _SLUG.fullmatch(value) is not None and not _is_uuid(value)
    )


def _is_uuid(value: str) -> bool:
    return _UUID.fullmatch(value.replace("-", "")) is not None


def _checked(value: str) -> str:
    if _is_uuid(value):
        raise ValueError("must not look like a UUID")
    return value


Slug = Annotated[
    str,
    StringConstraints(pattern=SLUG_PATTERN, min_length=1, max_length=SLUG_MAX_LENGTH),
    AfterValidator(_checked),
]
"""Lower-case letters and digits in parts joined by single `-` or `_`. `a-b` and `a_b` are the same tenant."""
