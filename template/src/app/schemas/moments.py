"""Points in time that clients name."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

# The driver stores the first and the last microsecond as -infinity and infinity, and returns those without a zone.
_INFINITE: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_DATE_AND_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:")


def _written_out(value: Any) -> Any:
    # Pydantic would take a number for seconds or milliseconds since 1970, whichever fits.
    is_written_out = isinstance(value, str) and _DATE_AND_TIME.match(value)
    if not is_written_out and not isinstance(value, datetime):
        raise ValueError("must be a date with a time (RFC 3339)")
    return value


def _utc(value: datetime) -> datetime:
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie within the years 1 to 9999") from None
    if moment in _INFINITE:
        raise ValueError("must lie within the years 1 to 9999")
    return moment


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_utc)]
"""A time with a zone (RFC 3339), in UTC."""
