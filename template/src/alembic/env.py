"""Runs one tree of migrations on the connection that `app.core.db.migrations` hands over."""

from functools import cache
from typing import Any

from alembic import context

from app.core.db import autogenerate

tree, connection = context.config.attributes["tree"], context.config.attributes["connection"]


@cache
def _made() -> frozenset[str]:
    folders = context.config.get_main_option("version_locations") or ""
    return autogenerate.tables_made_by(folders.splitlines())


def _is_of_this_tree(name: str | None, kind: str, _parents: Any) -> bool:
    return kind != "schema" or name == tree.schema


def _is_compared(_object: Any, name: str | None, kind: str, reflected: bool, model: Any) -> bool:
    # Partitions, and the tables of other tools, are never dropped.
    return kind != "table" or not reflected or model is not None or name in _made()


autogenerate.recognise_types(tree.metadata, connection.dialect.ischema_names)
context.configure(
    connection=connection,
    target_metadata=tree.metadata,
    version_table_schema=tree.schema,
    include_schemas=tree.schema is not None,
    include_name=_is_of_this_tree,
    include_object=_is_compared,
    process_revision_directives=autogenerate.writer,
    render_item=autogenerate.render_type,
    autogenerate_plugins=autogenerate.PLUGINS,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
