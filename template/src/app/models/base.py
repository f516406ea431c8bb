"""The two metadata trees. A table belongs to exactly one of them."""

import enum
import json
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, DateTime, Enum, MetaData, Table, Text, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.hybrid import hybrid_method, hybrid_property
from sqlalchemy.orm import LoaderCallableStatus, registry
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel
from sqlmodel._compat import SQLModelConfig

from app.core.identifiers import utcnow, uuid7

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# Pydantic would take them for fields that lack an annotation.
_CONFIG: Final = SQLModelConfig(ignored_types=(hybrid_property, hybrid_method))

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
        if isinstance(x, LoaderCallableStatus) or isinstance(y, LoaderCallableStatus):
            # Marked as changed in place: what it was before is not known.
            return False
        return json.dumps(x, sort_keys=True) == json.dumps(y, sort_keys=True)


def text_enum(values: type[enum.Enum]) -> Any:
    """Store an enumeration by its values, as text. A column that is declared with the enumeration alone has this type.

    Raises:
        TypeError: a value is no text.
    """
    if not all(isinstance(member.value, str) for member in values):
        raise TypeError(
            f"{values.__qualname__} is stored as text, so its values must be: make it a StrEnum."
        )
    length = max(32, *(len(member.value) for member in values))
    return Enum(
        values, native_enum=False, values_callable=lambda e: [v.value for v in e], length=length
    )


def one_of(column: str, values: type[enum.Enum]) -> str:
    """Return the CHECK expression that keeps `column` within `values`."""
    return f"{column} IN ({_listed(values)})"


def _listed(values: type[enum.Enum]) -> str:
    return ", ".join(f"'{value.value.replace("'", "''")}'" for value in values)


class PublicBase(
    SQLModel, registry=registry(metadata=MetaData(schema="public", naming_convention=_NAMES))
):
    """A table of the lobby; always schema-qualified."""

    model_config = _CONFIG


class TenantBase(SQLModel, registry=registry(metadata=MetaData(naming_convention=_NAMES))):
    """A table of each tenant; never schema-qualified, found through the tenant's `search_path`."""

    model_config = _CONFIG


class TenantRow(TenantBase):
    """A table of each tenant whose rows a `TenantService` lists; an index on both columns serves that."""

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    created_at: datetime = Field(default_factory=utcnow, sa_type=Timestamp)


@event.listens_for(Table, "after_parent_attach")
def _store_enumerations_as_text(table: Table, metadata: MetaData) -> None:
    # A type of PostgreSQL's in each tenant's schema would be another type to each prepared statement.
    if metadata not in (PublicBase.metadata, TenantBase.metadata):
        return
    for column in table.columns:
        if values := _enumeration(column.type):
            column.type = text_enum(values)
            check = one_of(column.name, values)
        elif isinstance(column.type, ARRAY) and (values := _enumeration(column.type.item_type)):
            column.type = ARRAY(text_enum(values))
            check = f"{column.name} <@ ARRAY[{_listed(values)}]::varchar[]"
        else:
            continue
        table.append_constraint(CheckConstraint(check, name=column.name))


def _enumeration(type_: TypeEngine[Any]) -> type[enum.Enum] | None:
    if not isinstance(type_, Enum) or not type_.native_enum:
        return None
    if type_.enum_class is None:
        raise TypeError(
            f"The type {type_.name!r} would belong to each tenant's schema. Declare the column with a StrEnum."
        )
    return type_.enum_class
