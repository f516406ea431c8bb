"""Limits as they are written in the settings."""

from typing import Annotated

from limits import parse_many
from pydantic import AfterValidator


def _limits(value: str) -> str:
    try:
        limits = parse_many(value)
    except ValueError:
        raise ValueError("must look like `5 per 1 minute`, several joined by `;`") from None
    if not all(limit.amount for limit in limits):
        raise ValueError("must allow something: RATE_LIMITS__ENABLED=false is for no limits")
    return value


Limits = Annotated[str, AfterValidator(_limits)]
"""In the notation of the `limits` library, several joined by `;`."""
