"""Points in time that clients name."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_DATE_AND_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:")


def _written_out(value: Any) -> Any:
    # Pydantic would take a number for seconds or milliseconds since 1970, whichever fits.
    if isinstance(value, str) and not _DATE_AND_TIME.match(value):
        raise ValueError("must be a date with a time (RFC 3339)")
    return value


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie within the years 1 to 9999") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_utc)]
"""A time with a zone (RFC 3339), in UTC."""
