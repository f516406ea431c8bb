"""The two metadata trees. A table belongs to exactly one of them."""

import json
from enum import StrEnum
from typing import Any

from sqlalchemy import DateTime, Enum, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Timestamp: Any = DateTime(timezone=True)
"""`timestamptz`, for `Field(sa_type=...)`."""

LongText: Any = Text()

TextArray: Any = ARRAY(Text())


class JsonObject(JSONB):
    """`jsonb` that clients choose freely, for `Field(sa_type=...)`: written whenever its JSON text changes.

    Python calls `1`, `1.0` and `True` equal, so that SQLAlchemy would not write one in the place of another.
    """

    cache_ok = True

    def compare_values(self, x: Any, y: Any) -> bool:
        """Tell whether both are the same JSON, in whatever order their members are."""
        return json.dumps(x, sort_keys=True) == json.dumps(y, sort_keys=True)


def text_enum(values: type[StrEnum]) -> Any:
    """Store an enumeration as text, for `Field(sa_type=...)`; pair it with `one_of`."""
    return Enum(
        values, native_enum=False, values_callable=lambda e: [v.value for v in e], length=32
    )


def one_of(column: str, values: type[StrEnum]) -> str:
    """Return the CHECK expression that keeps `column` within `values`."""
    listed = ", ".join(f"'{value.value}'" for value in values)
    return f"{column} IN ({listed})"


class PublicBase(
    SQLModel, registry=registry(metadata=MetaData(schema="public", naming_convention=_NAMES))
):
    """A table of the lobby; always schema-qualified."""


class TenantBase(SQLModel, registry=registry(metadata=MetaData(naming_convention=_NAMES))):
    """A table of each tenant; never schema-qualified, found through the tenant's `search_path`."""
