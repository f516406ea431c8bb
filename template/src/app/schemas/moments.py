"""Points in time that clients name."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie within the years 1 to 9999") from None


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A time with a zone (RFC 3339), in UTC."""
