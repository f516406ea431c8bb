"""What every body is made of."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StringConstraints,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)

from app.core.one_line import ONE_LINE_PATTERN, Published, is_one_line
from app.core.slugs import SLUG_MAX_LENGTH

MAX_FIELDS: Final = 100

ANSWER_BYTES: Final = 256 * 1024
"""What the answer of a route may be, whatever a tenant has stored (`tests/routes/test_answer_sizes.py`)."""
PAGE_BYTES: Final = 128 * 1024
"""Where a page ends before its limit; a row that is larger is a page."""

_JSON: Final = TypeAdapter(Any)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR_BYTES: Final = 24
CURSOR_LENGTH: Final = 32


class Body(BaseModel):
    """A request body: what it does not know, it refuses."""

    # JSON has no NaN and no infinite number: an answer would say null in their place.
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _require_few_fields(cls, data: object) -> object:
        # Each unknown field is an error of its own, which is built whether or not it is shown: a body of the largest
        # size would hold up the process for longer than any other request.
        if isinstance(data, dict) and len(data) > MAX_FIELDS:
            raise ValueError(f"must not have more than {MAX_FIELDS} fields")
        return data


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class Change(Body):
    """A request body of which any part may be left out, and then stays as it is.

    A field's default says nothing to clients: it only stands for "left out" (`model_fields_set`).
    """

    model_config = ConfigDict(json_schema_extra=_without_defaults)


class RowRead(BaseModel):
    """What clients see of every row."""

    id: UUID
    created_at: datetime


def _storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain the NUL character")
    return value


def _trimmed(value: str) -> str:
    trimmed = value.strip()
    if not trimmed:
        raise ValueError("must not be blank")
    return trimmed


def _one_line(value: str) -> str:
    if not is_one_line(value):
        raise ValueError("must be one line without control characters")
    return value


_STORABLE: Final = Published(r"^[^\u0000]*$")

Text = Annotated[str, AfterValidator(_storable), _STORABLE]
"""Text that PostgreSQL can store."""

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_storable),
    AfterValidator(_trimmed),
    AfterValidator(_one_line),
    Published(ONE_LINE_PATTERN),
]
"""One line, shown to others as it is. The white space around it is cut off, but counts towards the length."""
Description = Annotated[
    str, StringConstraints(max_length=10_000), AfterValidator(_storable), _STORABLE
]


def at_most(length: int) -> WithJsonSchema:
    """Tell clients how many characters a text of an answer has at most.

    It is not checked: what an older release has stored is answered too.
    """
    return WithJsonSchema({"type": "string", "maxLength": length})


def at_most_bytes(size: int) -> WithJsonSchema:
    """Tell clients how many bytes a JSON object of an answer has at most, as `at_most` does."""
    return WithJsonSchema({"type": "object", "additionalProperties": True, "x-max-bytes": size})


ShownName = Annotated[str, at_most(200)]
"""A `Name` in an answer."""
ShownDescription = Annotated[str, at_most(10_000)]
ShownEmail = Annotated[str, at_most(254)]
ShownSlug = Annotated[str, at_most(SLUG_MAX_LENGTH)]
ShownToken = Annotated[str, at_most(2048)]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list that runs from the newest row to the oldest; ids break ties."""

    at: datetime
    id: UUID

    def encode(self) -> str:
        """Return the cursor that clients send back."""
        microseconds = (self.at - _EPOCH) // timedelta(microseconds=1)
        raw = microseconds.to_bytes(8, signed=True) + self.id.bytes
        return base64.urlsafe_b64encode(raw).decode()

    @classmethod
    def decode(cls, cursor: str) -> Self:
        """Read a cursor.

        Raises:
            ValueError: this service did not write it.
        """
        try:
            raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
            if len(raw) != _CURSOR_BYTES:
                raise ValueError("wrong length")
            microseconds = int.from_bytes(raw[:8], signed=True)
            return cls(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=raw[8:]))
        except (binascii.Error, ValueError, OverflowError):
            raise ValueError("is no cursor of this service") from None


NEWEST: Final = Position(datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))
"""Before the first row."""


def _readable(cursor: str) -> str:
    Position.decode(cursor)
    return cursor


# The first characters keep the time between 1970 and the year 8820, which every other one fits.
Cursor = Annotated[
    str, StringConstraints(pattern=r"^A[A-Za-v][A-Za-z0-9_-]{30}$"), AfterValidator(_readable)
]


def fitting[T](rows: list[T], limit: int) -> list[T]:
    """Return the first rows: at most `limit`, and no more than fit a page, but the first in any case."""
    size = 0
    for number, row in enumerate(rows[:limit]):
        size += len(_JSON.dump_json(row))
        if number and size > PAGE_BYTES:
            return rows[:number]
    return rows[:limit]


class Page[T](BaseModel):
    """Some rows, and where the next ones begin: `next_cursor` is null on the last page.

    A page of large rows has fewer than its limit.
    """

    items: list[T]
    next_cursor: Annotated[str, at_most(CURSOR_LENGTH)] | None

    @classmethod
    def of(cls, rows: list[T], limit: int, position: Callable[[T], Position]) -> Self:
        """Make a page of a query that asked for one row more than `limit`; `Pages` does not read what does not fit."""
        items = fitting(rows, limit)
        more = len(rows) > len(items)
        return cls(items=items, next_cursor=position(items[-1]).encode() if more else None)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """How many rows, and after which one."""

    limit: int
    after: Position

    def values(self) -> dict[str, Any]:
        """Return the parameters that a page's query takes: `at`, `id` and `n`."""
        return {"at": self.after.at, "id": self.after.id, "n": self.limit + 1}
