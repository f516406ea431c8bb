"""Alembic for the two trees, `public` and `tenant`, each with branches of the template and one of yours.

Alembic keeps its state in globals: one upgrade at a time in a process, here in a single thread.
"""

import ast
import asyncio
import io
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import ResolutionError, RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.core.db import extensions, revisions, tenancy

type TreeName = Literal["public", "tenant"]

_LOSES_DATA: Final = re.compile(
    r"^(?:TRUNCATE|DELETE\s+FROM|DROP\s+(?:TABLE|SCHEMA|TYPE))\b"
    r"|^ALTER\s+TABLE\b.*\bDROP\s+(?!CONSTRAINT|DEFAULT|NOT|EXPRESSION|IDENTITY)",
    re.IGNORECASE | re.DOTALL,
)
_NOT_RUN_AT_ONCE: Final = re.compile(r"\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/", re.DOTALL)
"""The bodies of functions, and comments."""

_RECORD: Final = """
    UPDATE public.tenants SET migrations = :applied
    WHERE schema_name = :schema AND status <> 'deleted' AND migrations IS DISTINCT FROM :applied
"""
# The cast fails where a tenant was dropped meanwhile: its tables would go where the path leads next.
_TYPES: Final = text("""
    WITH place AS MATERIALIZED (SELECT CAST(CAST(:schema AS text) AS regnamespace) AS oid)
    SELECT typname FROM place JOIN pg_catalog.pg_type ON typnamespace = place.oid
    LEFT JOIN pg_catalog.pg_class c ON c.oid = typrelid
    WHERE typtype IN ('d', 'e', 'r') OR relkind = 'c'
    UNION ALL SELECT extname FROM place JOIN pg_catalog.pg_extension ON extnamespace = place.oid
""")
_OPENED: Final = "status <> 'provisioning'"

_ONE_AT_A_TIME: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="alembic")


class UnknownMigration(Exception):
    """A schema was migrated by other code than this; the message names what is missing here."""


class BrokenHistory(Exception):
    """The migrations do not follow from one another; the message names one that does not."""


class SchemaOutOfDate(Exception):
    """The models and the migrations differ; the message lists how."""


class TypeOfOneTenant(Exception):
    """A migration makes a type or an extension in each tenant's schema; the message says where it belongs."""

    def __init__(self, names: set[str]) -> None:
        super().__init__(
            f"{', '.join(sorted(names))} would be another type in each tenant, and a prepared statement fails at the next"
            " tenant. Create it once, with a migration of the public tree, and write public. before its name here; or store"
            ' text with a CHECK, as a StrEnum does (docs/migrations.md, "Types").'
        )


@dataclass(frozen=True, slots=True)
class Tree:
    """One of the two sets of migrations and the tables it leads to."""

    name: TreeName
    metadata: MetaData

    @property
    def schema(self) -> str | None:
        """The schema that its tables are qualified with."""
        return self.metadata.schema


type Step = Callable[[Connection, Config], None]


def require_history(tree: Tree) -> None:
    """Make sure that there are migrations, and that each follows one of them.

    Raises:
        BrokenHistory: there are none, one does not follow, or two say that they are the same.
    """
    if not (revisions.SCRIPTS / tree.name).is_dir():
        raise BrokenHistory(
            f"There are no migrations in {revisions.SCRIPTS / tree.name}: run `app migrate` in the image or in a checkout."
        )
    with warnings.catch_warnings():
        # Alembic only warns of them, and then stops at a key or takes either of the two.
        warnings.filterwarnings("error", "Revision ", UserWarning)
        try:
            _scripts(tree).get_heads()
        except (UserWarning, RevisionError) as exc:
            raise BrokenHistory(
                f"The migrations in {revisions.SCRIPTS / tree.name} do not follow from one another: {exc}. Bring back the file"
                " that is missing, or give each a `revision` of its own and the right `down_revision`."
            ) from exc


async def upgrade(
    engine: AsyncEngine,
    tree: Tree,
    *,
    schema: str | None = None,
    lock_timeout: timedelta = timedelta(),
) -> None:
    """Bring the lobby, or a tenant's `schema`, to the newest migrations of every branch.

    With a `lock_timeout` a statement that waits longer for a table is given up, and nothing was done: requests for the
    table wait behind it meanwhile. What a ready tenant's schema has afterwards is recorded with it.
    """

    def apply(connection: Connection, config: Config) -> None:
        milliseconds = int(lock_timeout.total_seconds() * 1000)
        connection.execute(text(f"SET LOCAL lock_timeout = {milliseconds}"))
        command.upgrade(config, "heads")
        if schema is not None:
            _record(connection, tree, schema, _OPENED)

    await _run(engine, tree, apply, schema)


async def downgrade(engine: AsyncEngine, tree: Tree, *, to: str, schema: str | None = None) -> None:
    """Take the lobby, or a tenant's `schema`, back to revision `to`."""

    def revert(connection: Connection, config: Config) -> None:
        command.downgrade(config, to)
        if schema is not None:
            _record(connection, tree, schema, _OPENED)

    await _run(engine, tree, revert, schema)


def newest_of_yours(tree: Tree) -> Script | None:
    """Return the newest migration of your branch, or `None` if there is only its base.

    Raises:
        BrokenHistory: two were written from the same state, so none of them is the newest.
    """
    heads = list(_scripts(tree).get_revisions("app@heads"))
    if len(heads) > 1:
        names = " and ".join(Path(head.path).name for head in heads)
        raise BrokenHistory(f"{names} follow from the same migration: neither is the newest.")
    return heads[0] if heads and heads[0].down_revision else None


async def undo(engine: AsyncEngine, tree: Tree, script: Script, *, schema: str | None) -> bool:
    """Take a migration that nothing follows back, and tell whether the lobby, or a tenant's `schema`, had it."""
    async with engine.connect() as connection:
        applied = (await _position(connection, tree, schema, _scripts(tree))).applied
    if script.revision not in applied:
        return False
    before = script.down_revision
    to = before if isinstance(before, str) else next(iter(before or ()))
    await downgrade(engine, tree, to=to, schema=schema)
    return True


async def record(connection: AsyncConnection, tree: Tree, schema: str) -> None:
    """Write into the tenant's row which migrations its `schema` has: admission compares them with the code's.

    `upgrade` and `downgrade` do so themselves, but for a tenant that is being provisioned, whose row is locked.
    """
    await connection.run_sync(_record, tree, schema)


async def is_at_head(engine: AsyncEngine, tree: Tree, *, schema: str | None = None) -> bool:
    """Tell whether nothing is left to apply.

    Raises:
        UnknownMigration: something was applied that is not here.
    """
    async with engine.connect() as connection:
        return not (await _position(connection, tree, schema, _scripts(tree))).missing


async def drops_ahead(engine: AsyncEngine, tree: Tree, schemas: Sequence[str | None]) -> list[str]:
    """Return a line for each migration that drops something and that one of `schemas` has yet to apply.

    A schema that nothing was ever applied to has nothing to lose; one that other code has migrated stays as it is, and
    one whose position cannot be read will fail in its turn.
    """
    known = _scripts(tree)
    dropping = {
        script: drops for script in known.walk_revisions() if (drops := _drops(Path(script.path)))
    }
    concerned: Counter[Script] = Counter()
    async with engine.connect() as connection:
        for schema in schemas if dropping else ():
            try:
                position = await _position(connection, tree, schema, known)
            except (UnknownMigration, DBAPIError):
                await connection.rollback()
                continue
            if position.applied:
                concerned.update(position.missing)
    return [
        f"{tree.name}: {Path(script.path).name} {', '.join(dropping[script])}"
        + (f" in {number} schemas" if number > 1 else "")
        for script, number in concerned.items()
        if script in dropping
    ]


@dataclass(frozen=True, slots=True)
class _Position:
    applied: frozenset[str]
    missing: tuple[Script, ...]


async def _position(
    connection: AsyncConnection, tree: Tree, schema: str | None, known: ScriptDirectory
) -> _Position:
    heads = await connection.run_sync(_current_heads, tree, schema)
    try:
        applied = frozenset(
            script.revision
            for head in heads
            for script in known.iterate_revisions(head, "base", inclusive=True)
        )
    except ResolutionError as exc:
        raise UnknownMigration(
            f"The database was migrated by other code than this: {exc}. Bring its file back; the data of `make dev` is in"
            " .dev, which may be removed to start over."
        ) from exc
    missing = tuple(script for script in known.walk_revisions() if script.revision not in applied)
    return _Position(applied, missing[::-1])


def _record(connection: Connection, tree: Tree, schema: str, condition: str = "true") -> None:
    known, applied = _scripts(tree), set(_current_heads(connection, tree, schema))
    for head in tuple(applied):
        try:
            older = known.iterate_revisions(head, "base")
            applied.update(script.revision for script in older)
        except ResolutionError:
            # A newer release has made it, on top of all that this one knows.
            applied.update(script.revision for script in known.walk_revisions())
    connection.execute(
        text(f"{_RECORD} AND {condition}"), {"schema": schema, "applied": sorted(applied)}
    )


def _current_heads(connection: Connection, tree: Tree, schema: str | None) -> tuple[str, ...]:
    options = {"version_table_schema": schema or tree.schema}
    return MigrationContext.configure(connection, opts=options).get_current_heads()


def _scripts(tree: Tree) -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(tree, None))


def _drops(path: Path) -> list[str]:
    # As it is written there: calls of Alembic's, and SQL.
    found: list[str] = []
    for node in ast.parse(path.read_text()).body:
        if not (isinstance(node, ast.FunctionDef) and node.name == "downgrade"):
            found.extend(_dropping(node))
    return found


def _dropping(tree: ast.AST) -> Iterator[str]:
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="drop_table" | "drop_column")):
                yield ast.unparse(node)
            case ast.Constant(value=str(sql)) if id(node) not in docstrings:
                for statement in _NOT_RUN_AT_ONCE.sub("", sql).split(";"):
                    if _LOSES_DATA.search(words := " ".join(statement.split())):
                        yield words


async def check(engine: AsyncEngine, tree: Tree, *, schema: str | None = None) -> None:
    """Compare the models with a migrated schema.

    Raises:
        SchemaOutOfDate: autogenerate would write something.
    """

    def compare(_connection: Connection, config: Config) -> None:
        try:
            command.check(config)
        except CommandError as exc:
            raise SchemaOutOfDate(str(exc)) from exc

    await _run(engine, tree, compare, schema)


async def revision(engine: AsyncEngine, tree: Tree, message: str, schema: str | None) -> Path:
    """Write what the models have and the migrations lack as a new migration of your branch.

    Where two people have written one each, it follows both.
    """
    written: list[Path] = []

    def generate(_connection: Connection, config: Config) -> None:
        script = command.revision(
            config,
            message,
            autogenerate=True,
            head="app@heads",
            version_path=str(revisions.SCRIPTS / tree.name / "app"),
        )
        written.extend(
            Path(s.path) for s in (script if isinstance(script, list) else [script]) if s
        )

    await _run(engine, tree, generate, schema)
    return written[0]


async def _run(engine: AsyncEngine, tree: Tree, step: Step, schema: str | None) -> None:
    def in_thread() -> None:
        asyncio.run(_in_transaction(engine, tree, step, schema))

    await asyncio.get_running_loop().run_in_executor(_ONE_AT_A_TIME, in_thread)


async def _in_transaction(engine: AsyncEngine, tree: Tree, step: Step, schema: str | None) -> None:
    async with engine.connect() as connection, connection.begin():
        await connection.execute(text(tenancy.set_path(schema) if schema else tenancy.LOBBY_PATH))

        def run(sync: Connection) -> None:
            # What `SET LOCAL search_path` says now, not what it was at connect.
            sync.dialect.default_schema_name = schema
            before = _misplaced(sync, schema)
            step(sync, _config(tree, sync))
            _require_in_place(sync, schema, before)

        await connection.run_sync(run)


def _misplaced(connection: Connection, schema: str | None) -> set[str]:
    # Types of a tenant's schema, but for those that its tables are.
    if schema is not None:
        return set(connection.scalars(_TYPES, {"schema": schema}))
    return extensions.strays(connection)


def _require_in_place(connection: Connection, schema: str | None, before: set[str]) -> None:
    added = _misplaced(connection, schema) - before
    if schema is None:
        extensions.require_found(connection)
        if added:
            raise extensions.ExtensionRefused(
                f"{', '.join(sorted(added))} would be in the schema of extensions, where every tenant finds it. In the public"
                " tree write the name of a schema, public."
            )
    elif added:
        raise TypeOfOneTenant(added)


def _config(tree: Tree, connection: Connection | None) -> Config:
    # What a command finds is in its result or exception; it would print as well.
    config = Config(stdout=io.StringIO())
    # A branch is a folder.
    branches = {str(file.parent) for file in (revisions.SCRIPTS / tree.name).glob("*/*.py")}
    options = {
        "script_location": str(revisions.SCRIPTS),
        "path_separator": "newline",
        "version_locations": "\n".join(sorted(branches)),
    }
    for name, value in options.items():
        # Alembic replaces %(…)s in options, so a % in a path is written twice.
        config.set_main_option(name, value.replace("%", "%%"))
    config.attributes.update(tree=tree, connection=connection)
    return config
