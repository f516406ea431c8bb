"""The slug rule, stated once: the API, the models and the database take it from here."""

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints

from app.core.one_line import Published

SLUG_PATTERN: Final = r"^[a-z0-9]+([-_][a-z0-9]+)*$"
SLUG_MAX_LENGTH: Final = 56
"""`tenant_` and 56 characters are the 63 bytes of a PostgreSQL name."""
UUID_PATTERN: Final = r"^[0-9a-f]{32}$"
"""What a slug may not be once its hyphens are taken out."""
SLUG_HOLD: Final = timedelta(days=2)
"""How long a slug that a tenant freed is kept from others: longer than any access token lives that names it."""

_UUID = re.compile(UUID_PATTERN)


def _checked(value: str) -> str:
    # So that no slug is taken for an id.
    if _UUID.fullmatch(value.replace("-", "")):
        raise ValueError("must not look like a UUID")
    return value


Slug = Annotated[
    str,
    StringConstraints(pattern=SLUG_PATTERN, min_length=1, max_length=SLUG_MAX_LENGTH),
    AfterValidator(_checked),
    # Pydantic's engine has no look-ahead.
    Published(rf"^(?![0-9a-f](-?[0-9a-f]){{31}}$){SLUG_PATTERN.removeprefix('^')}"),
]
"""Lower-case letters and digits in parts joined by single `-` or `_`. `a-b` and `a_b` are the same tenant."""
