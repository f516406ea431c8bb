"""The only module that names a schema, a tenant's role or `search_path` (docs/multi-tenancy.md)."""

import re
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

SCHEMA_PREFIX: Final = "tenant_"
NAME_MAX_BYTES: Final = 63

LEAVE_TENANT: Final = "SELECT set_config('role', 'none', true)"
"""Back to the application's own rights, which end at the lobby."""

REENTER_TENANT: Final = "SELECT set_config('role', current_setting('lobby.role'), true)"
"""Into the tenant that this transaction entered before; an error if it entered none."""

EXTENSIONS: Final = "extensions"
"""The schema of PostgreSQL's extensions, on every path: their types and operators are found by the path alone."""

_LOBBY: Final = f"{EXTENSIONS}, pg_temp"

LOBBY_PATH: Final = f"SET LOCAL search_path = {_LOBBY}"
"""No table is found without its schema's name."""

START_IN_LOBBY: Final = {"search_path": _LOBBY}
"""The same for a whole connection, as start-up parameters."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def schema_name(slug: str) -> str:
    """Return the schema that a tenant created with `slug` gets."""
    return SCHEMA_PREFIX + slug.replace("-", "_")


def schema_name_of(slug: str, tenant_id: UUID) -> str:
    """Return a schema name for a `slug` whose own is held by a tenant that was renamed since."""
    suffix = f"_{tenant_id.hex[-8:]}"
    return schema_name(slug)[: NAME_MAX_BYTES - len(suffix)] + suffix


def set_path(schema: str) -> str:
    """Return the statement that points a transaction at one schema, for migrations."""
    return f"SET LOCAL search_path = {quoted(schema)}, {_LOBBY}"


def quoted(name: str) -> str:
    """Return a schema's or role's name as an SQL identifier.

    Raises:
        ValueError: no name that this service makes looks like that.
    """
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"not a name of this service: {name!r}")
    return f'"{name}"'


async def tenants_group(connection: AsyncConnection) -> str:
    """Return the role that holds what every tenant's role may do in the lobby (docs/security.md)."""
    installation = await connection.scalar(text("SELECT id FROM public.installation"))
    return f"lobby_{installation}_tenants"


async def create_tenant_schema(
    connection: AsyncConnection, *, schema: str, role: str, login: str
) -> None:
    """Create what is missing of a tenant's role and schema. Tables come from the migrations.

    `login` is the application's role; it may become `role`, and inherits nothing from it.
    """
    group = quoted(await tenants_group(connection))
    if not await _role_exists(connection, role):
        await connection.execute(text(f"CREATE ROLE {quoted(role)} NOLOGIN"))
    for statement in (
        f"GRANT {group} TO {quoted(role)} WITH INHERIT TRUE, SET FALSE",
        f"GRANT {quoted(role)} TO {_identifier(login)} WITH INHERIT FALSE, SET TRUE",
        f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}",
        f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {quoted(role)}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {quoted(schema)}"
        f" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {quoted(role)}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {quoted(schema)}"
        f" GRANT USAGE, SELECT ON SEQUENCES TO {quoted(role)}",
    ):
        await connection.execute(text(statement))


async def protect_version_table(connection: AsyncConnection, *, schema: str, role: str) -> None:
    """Take from a tenant's role the right to change which migrations its schema has."""
    await connection.execute(
        text(f"REVOKE ALL ON {quoted(schema)}.alembic_version FROM {quoted(role)}")
    )


async def drop_tenant_schema(connection: AsyncConnection, *, schema: str, role: str) -> None:
    """Drop a tenant's schema with all its data, and its role, as far as they exist."""
    await connection.execute(text(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE"))
    await connection.execute(text(f"DROP ROLE IF EXISTS {quoted(role)}"))


async def create_tenants_group(connection: AsyncConnection) -> str:
    """Create the role that every tenant's role inherits from, if it is missing, and return its name."""
    group = await tenants_group(connection)
    if not await _role_exists(connection, group):
        await connection.execute(text(f"CREATE ROLE {quoted(group)} NOLOGIN"))
    return group


async def _role_exists(connection: AsyncConnection, role: str) -> bool:
    query = text("SELECT true FROM pg_catalog.pg_roles WHERE rolname = :role")
    return bool(await connection.scalar(query, {"role": role}))


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
