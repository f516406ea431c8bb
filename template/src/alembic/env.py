"""Runs one tree of migrations on the connection that `app.core.db.migrations` hands over."""

from typing import Any

from alembic import context
from sqlalchemy import Enum
from sqlmodel import AutoString

from app.models.base import JsonObject

tree = context.config.attributes["tree"]


def _is_of_this_tree(name: str | None, kind: str, _parents: Any) -> bool:
    return kind != "schema" or name == tree.schema


def _is_compared(_object: Any, name: str | None, kind: str, _reflected: bool, _to: Any) -> bool:
    return not (kind == "table" and name == "alembic_version")


def _render(kind: str, item: Any, autogenerate: Any) -> str | bool:
    # SQLModel's string, our enumerations and our JSON are plain types to PostgreSQL: migrations need not import them.
    if kind == "type" and isinstance(item, JsonObject):
        autogenerate.imports.add("from sqlalchemy.dialects import postgresql")
        return "postgresql.JSONB()"
    if kind == "type" and isinstance(item, AutoString | Enum):
        return f"sa.String(length={item.length})"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tree.metadata,
    version_table_schema=tree.schema,
    include_schemas=tree.schema is not None,
    include_name=_is_of_this_tree,
    include_object=_is_compared,
    render_item=_render,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
