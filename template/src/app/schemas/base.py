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
    model_validator,
)

from app.core.one_line import is_one_line

MAX_FIELDS: Final = 100

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR_BYTES: Final = 24


class Body(BaseModel):
    """A request body: what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid")

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


Text = Annotated[str, AfterValidator(_storable)]
"""Text that PostgreSQL can store."""

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_storable),
    AfterValidator(_trimmed),
    AfterValidator(_one_line),
]
"""One line, shown to others as it is. The white space around it is cut off, but counts towards the length."""
Description = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_storable)]


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


Cursor = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{32}$"), AfterValidator(_readable)
]


class Page[T](BaseModel):
    """Some rows, and where the next ones begin: `next_cursor` is null on the last page."""

    items: list[T]
    next_cursor: str | None

    @classmethod
    def of(cls, rows: list[T], limit: int, position: Callable[[T], Position]) -> Self:
        """Make a page of at most `limit` rows from a query that asked for one more."""
        more = len(rows) > limit
        items = rows[:limit]
        return cls(items=items, next_cursor=position(items[-1]).encode() if more else None)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """How many rows, and after which one."""

    limit: int
    after: Position

    def values(self) -> dict[str, Any]:
        """Return the parameters that a page's query takes: `at`, `id` and `n`."""
        return {"at": self.after.at, "id": self.after.id, "n": self.limit + 1}
