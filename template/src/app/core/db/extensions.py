"""PostgreSQL's extensions: they live in one schema, which is on every path (docs/migrations.md, "Extensions")."""

import ast
import re
from typing import Final

from sqlalchemy import Connection, text

from app.core.db import revisions, tenancy

_CREATES: Final = re.compile(
    r"\bCREATE\s+EXTENSION\s+(IF\s+NOT\s+EXISTS\s+)?\"?([\w-]+)", re.IGNORECASE
)

_MISSING: Final = text("""
    SELECT name, format('CREATE EXTENSION %I CASCADE', name) FROM pg_catalog.pg_available_extensions
    WHERE name = ANY(:names) AND installed_version IS NULL
""")

# One that has operators, may be in any schema, and is in one that is on no path: text = text answers for citext = citext.
_ELSEWHERE: Final = text("""
    SELECT extname, nspname FROM pg_catalog.pg_extension e
    JOIN pg_catalog.pg_namespace n ON n.oid = extnamespace
    LEFT JOIN pg_catalog.pg_available_extension_versions a ON (name, version) = (extname, extversion)
    WHERE nspname NOT IN ('pg_catalog', :extensions) AND a.schema IS NULL AND EXISTS (
        SELECT FROM pg_catalog.pg_depend
        WHERE refclassid = 'pg_catalog.pg_extension'::regclass AND refobjid = e.oid
            AND classid = 'pg_catalog.pg_operator'::regclass AND deptype = 'e'
    )
""")

_OF_NO_EXTENSION: Final = text("""
    SELECT name FROM (
        SELECT 'pg_catalog.pg_class'::regclass AS class, oid, relname AS name, relnamespace AS place
        FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
        UNION ALL
        SELECT 'pg_catalog.pg_proc'::regclass, oid, proname, pronamespace FROM pg_catalog.pg_proc
        UNION ALL
        SELECT 'pg_catalog.pg_type'::regclass, oid, typname, typnamespace
        FROM pg_catalog.pg_type WHERE typtype IN ('d', 'e', 'r')
    ) found
    WHERE place = to_regnamespace(:extensions) AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend
        WHERE classid = class AND objid = found.oid AND deptype = 'e'
    )
""")

_SCHEMA: Final = {"extensions": tenancy.EXTENSIONS}


class ExtensionRefused(Exception):
    """An extension, or something beside them, would not work everywhere; the message says what to write instead."""


def declared() -> list[str]:
    """Return the extensions that migrations of the public tree create.

    Raises:
        ExtensionRefused: one would fail where an administrator has created the extension.
    """
    names = set()
    for path in sorted((revisions.SCRIPTS / "public").glob("*/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for is_careful, name in _CREATES.findall(node.value):
                    if not is_careful:
                        raise ExtensionRefused(
                            f"{path.name}: write CREATE EXTENSION IF NOT EXISTS {name}. An administrator may have created it"
                            " already."
                        )
                    names.add(name)
    return sorted(names)


def create_declared(connection: Connection) -> list[str]:
    """Create those that migrations name, as an administrator, and return the names of those that were missing."""
    rows = connection.execute(_MISSING, {"names": declared()}).all()
    for _, statement in rows:
        connection.execute(text(statement))
    return [name for name, _ in rows]


def require_found(connection: Connection) -> None:
    """Make sure that the operators of every extension are on the path.

    Raises:
        ExtensionRefused: one is in a schema where nobody looks for them.
    """
    for name, schema in connection.execute(_ELSEWHERE, _SCHEMA):
        raise ExtensionRefused(
            f"The extension {name} is in the schema {schema}, where no request finds its operators: a citext column would"
            f" compare case-sensitively. In a migration of the public tree write `CREATE EXTENSION IF NOT EXISTS {name}` without a"
            f" schema. If it exists already, an administrator runs `ALTER EXTENSION {name} SET SCHEMA {tenancy.EXTENSIONS}`."
        )


def strays(connection: Connection) -> set[str]:
    """Return what is in the schema of extensions and belongs to none."""
    return set(connection.scalars(_OF_NO_EXTENSION, _SCHEMA))
