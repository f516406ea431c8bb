"""What `app migration` writes of a difference between the models and a schema, and what it leaves alone."""

import ast
import re
from functools import partial
from pathlib import Path
from typing import Any, Final

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.rewriter import Rewriter
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatchResult
from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    DefaultClause,
    Enum,
    Interval,
    MetaData,
    Table,
)
from sqlalchemy.dialects.postgresql import INTERVAL
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

PLUGINS: Final = (
    "alembic.autogenerate.*",
    # CHECKs that are there or not, by their names.
    "alembic.ext.checkconstraint_byname",
    "app.changes",
)

writer: Final = Rewriter()

_DIALECT: Final = PGDialect_asyncpg()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
_CAST: Final = re.compile(r"::[a-z ]+(\(\d+(, ?\d+)?\))?(\[\])?")
_CONSTANT: Final = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")


def tables_made_by(folders: list[str]) -> frozenset[str]:
    """Return the tables that the migrations in some folders make with `op.create_table`."""
    return frozenset(
        str(node.args[0].value)
        for folder in folders
        for path in Path(folder).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "create_table"
        if node.args and isinstance(node.args[0], ast.Constant)
    )


def recognise_types(metadata: MetaData, names: dict[str, Any]) -> None:
    """Add the types of extensions that models have to those that the dialect finds in a schema by their `names`."""
    for table in metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, UserDefinedType):
                name = column.type.get_col_spec().partition("(")[0].strip().lower()
                names.setdefault(name, partial(_read, column.type))


def _read(known: UserDefinedType[Any], *arguments: Any) -> UserDefinedType[Any]:
    try:
        found: UserDefinedType[Any] = type(known)(*arguments)
    except TypeError:
        return known
    return found


def render_type(kind: str, item: Any, autogenerate: Any) -> str | bool:
    """Return how a migration writes a type of this project's that is PostgreSQL's with another name."""
    if kind != "type":
        return False
    if isinstance(item, Enum):
        return f"sa.String(length={item.length})"
    if not type(item).__module__.startswith("sqlalchemy."):
        base = next(c for c in type(item).__mro__ if c.__module__.startswith("sqlalchemy."))
        if ".dialects." in base.__module__:
            autogenerate.imports.add("from sqlalchemy.dialects import postgresql")
            return f"postgresql.{base.__name__}()"
        if isinstance(item, UserDefinedType):
            # Of an extension: it alone knows how PostgreSQL writes it.
            autogenerate.imports.add(f"import {type(item).__module__}")
            return f"{type(item).__module__}.{item!r}"
    return False


@writer.rewrites(ops.CreateTableOp)
def _create_table(_context: Any, _revision: Any, op: ops.CreateTableOp) -> ops.CreateTableOp:
    for column in op.columns:
        if isinstance(column, Column):
            column.type = _plain(column.type)
    return op


@writer.rewrites(ops.AddColumnOp)
def _add_column(_context: Any, _revision: Any, op: ops.AddColumnOp) -> ops.AddColumnOp:
    op.column.type = _plain(op.column.type)
    return op


@writer.rewrites(ops.AlterColumnOp)
def _alter_column(_context: Any, _revision: Any, op: ops.AlterColumnOp) -> ops.AlterColumnOp:
    if op.modify_type is not None:
        op.modify_type = _plain(op.modify_type)
    return op


def _plain(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    # What PostgreSQL sees: a migration imports nothing of the application's, which changes after it.
    # SQLAlchemy's own are written by their names: its Interval says of itself that it is a timestamp.
    if isinstance(type_, Interval) and type_.second_precision is not None:
        return INTERVAL(precision=type_.second_precision)
    if isinstance(type_, TypeDecorator) and not type(type_).__module__.startswith("sqlalchemy."):
        return _plain(type_.load_dialect_impl(_DIALECT))
    if isinstance(type_, ARRAY):
        return type(type_)(_plain(type_.item_type))
    return type_


def _compare_checks(
    context: AutogenContext,
    changes: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    found: Table | None,
    table: Table | None,
) -> PriorityDispatchResult:
    if found is not None and table is not None:
        reflected = context.inspector.get_check_constraints(name, schema=schema)
        applied = {check["name"]: check["sqltext"] for check in reflected}
        for check in sorted(table.constraints, key=lambda each: str(each.name)):
            if not isinstance(check, CheckConstraint) or check.name not in applied:
                continue
            if _constants(applied[check.name]) != _constants(str(check.sqltext)):
                dropped = CheckConstraint(applied[check.name], name=check.name)
                found.append_constraint(dropped)
                changes.ops.append(ops.DropConstraintOp.from_constraint(dropped))
                changes.ops.append(ops.AddConstraintOp.from_constraint(check))
    return PriorityDispatchResult.CONTINUE


def _constants(sql: str) -> list[str]:
    # PostgreSQL writes an expression in its own words, but keeps its constants: the values of an enumeration, a bound.
    return sorted(_CONSTANT.findall(_CAST.sub("", sql)))


def _compare_defaults(
    context: AutogenContext,
    change: ops.AlterColumnOp,
    _schema: str | None,
    _table: str,
    _name: str,
    found: Column[Any],
    column: Column[Any],
) -> PriorityDispatchResult:
    applied, wanted = found.server_default, column.server_default
    # Not a subclass: what is generated and what is an identity have comparisons of their own.
    if type(applied) is not DefaultClause or type(wanted) is not DefaultClause:
        return PriorityDispatchResult.CONTINUE
    if str(applied.arg) != _as_postgresql_writes(context, column):
        change.modify_server_default = wanted
    return PriorityDispatchResult.STOP


def _as_postgresql_writes(context: AutogenContext, column: Column[Any]) -> str:
    # Alembic compares values: some types have no `=`, random values differ, and it puts no apostrophe in quotes.
    connection: Any = context.connection
    dialect = connection.dialect
    default = dialect.ddl_compiler(dialect, None).get_column_default_string(column)
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE compared (value {column.type.compile(dialect)} DEFAULT {default})"
    )
    written = connection.exec_driver_sql(
        "SELECT pg_get_expr(adbin, adrelid) FROM pg_catalog.pg_attrdef"
        " WHERE adrelid = 'pg_temp.compared'::regclass"
    ).scalar_one()
    connection.exec_driver_sql("DROP TABLE pg_temp.compared")
    return str(written)


_changes: Final = Plugin("app.changes")
_changes.add_autogenerate_comparator(_compare_checks, "table", "changed_checks")
_changes.add_autogenerate_comparator(_compare_defaults, "column", "server_default")
