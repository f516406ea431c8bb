"""docs/security.md lists every privilege that a migrated database grants, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from tests import databases

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "security.md"
SCHEMAS: Final = {"public": "public", "tenant_…": "tenant_acme", "extensions": "extensions"}
EVERY_OTHER: Final = "every other table"

OF_TENANTS: Final = re.compile(r"lobby_[0-9a-f]{8}_|tenant_scratch_")
"""How the names of tenants' roles begin, and of what they share."""

type Names = dict[str, str]
"""What the document calls the roles of the test database."""

type Grant = tuple[str, str, str]
"""A role, what it may use, and one privilege."""


ACLS: Final = """
WITH lobby AS (
    SELECT * FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^(pg_|information_schema$)' AND (nspname = 'tenant_acme' OR nspname !~ '^tenant_')
), granted AS (
    SELECT 'schema ' || nspname AS what, nspacl AS acl, nspowner AS owner FROM lobby
    UNION ALL
    SELECT 'database', array_remove(datacl, makeaclitem(0, datdba, 'CONNECT', false)), datdba
    FROM pg_catalog.pg_database WHERE datname = current_database()
    UNION ALL
    SELECT CASE relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || nspname || '.' || relname,
           relacl, relowner
    FROM pg_catalog.pg_class JOIN lobby ON lobby.oid = relnamespace WHERE relkind <> 'i'
    UNION ALL
    SELECT 'column ' || nspname || '.' || relname || '.' || attname, attacl, relowner
    FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_class ON pg_class.oid = attrelid
    JOIN lobby ON lobby.oid = relnamespace
    UNION ALL
    SELECT 'function ' || nspname || '.' || proname,
           coalesce(proacl, acldefault('f', proowner)), proowner
    FROM pg_catalog.pg_proc JOIN lobby ON lobby.oid = pronamespace
    UNION ALL
    SELECT CASE defaclobjtype WHEN 'r' THEN 'later tables ' WHEN 'S' THEN 'later sequences '
               ELSE 'later ' || defaclobjtype::text || ' ' END || coalesce(nspname, 'everywhere'), defaclacl, defaclrole
    FROM pg_catalog.pg_default_acl LEFT JOIN lobby ON lobby.oid = defaclnamespace
    WHERE defaclnamespace = 0 OR nspname IS NOT NULL
)
SELECT coalesce(nullif(grantee, 0)::regrole::text, 'PUBLIC') AS role, what,
       privilege_type || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS privilege
FROM granted, aclexplode(acl) WHERE grantee <> owner
"""

MEMBERSHIPS: Final = """
SELECT member::regrole::text AS member, roleid::regrole::text AS role,
       admin_option, inherit_option, set_option
FROM pg_catalog.pg_auth_members WHERE roleid::regrole::text = ANY($1) OR member::regrole::text = ANY($1)
"""

ATTRIBUTES: Final = """
SELECT rolname, array_remove(ARRAY[
    CASE WHEN rolcanlogin THEN 'LOGIN' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
    CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
    CASE WHEN rolreplication THEN 'REPLICATION' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END
], NULL) AS attributes
FROM pg_catalog.pg_roles WHERE rolname = ANY($1)
"""


@pytest.fixture
async def names(owner_connection: asyncpg.Connection) -> Names:
    tenant = await owner_connection.fetchval(
        "SELECT role_name FROM public.tenants WHERE schema_name = 'tenant_acme'"
    )
    group = await owner_connection.fetchval("SELECT 'lobby_' || id || '_tenants' FROM installation")
    return {
        "PUBLIC": "PUBLIC",
        databases.LOGIN: "app",
        databases.OWNER: "app_owner",
        group: "tenants",
        tenant: "tenant",
    }


def table_below(*header: str) -> Iterator[list[str]]:
    lines = iter(DOCUMENT.read_text().splitlines())
    for line in lines:
        if line == f"| {' | '.join(header)} |":
            break
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def listed(cell: str) -> list[str]:
    return [item for item in re.split(r",\s*", cell.strip("`")) if item]


def documented_grants(tables: dict[str, set[str]]) -> Iterator[Grant]:
    named: dict[tuple[str, str], set[str]] = {}
    for role, what, privileges in table_below("Role", "On", "Privileges"):
        *items, place = re.findall(r"`([^`]+)`", what)
        schema = SCHEMAS[place]
        kind = what.split(" ")[0].removesuffix("s")
        known = named.setdefault((role, schema), set())
        if what.startswith(EVERY_OTHER):
            uses = [f"table {schema}.{name}" for name in sorted(tables[schema] - known)]
        elif items:
            uses = [f"{kind} {schema}.{name}" for name in items]
        else:
            uses = [f"{what.partition(' `')[0].removesuffix(' in')} {schema}"]
        if kind == "table":
            known.update(items)
        yield from ((role.strip("`"), use, right) for use in uses for right in listed(privileges))


async def test_privileges(owner_connection: asyncpg.Connection, names: Names) -> None:
    rows = await owner_connection.fetch(
        "SELECT schemaname, tablename FROM pg_catalog.pg_tables WHERE schemaname = ANY($1)",
        list(SCHEMAS.values()),
    )
    tables = {schema: {t for s, t in rows if s == schema} for schema in SCHEMAS.values()}
    granted = {
        (names.get(role, role), what, privilege)
        for role, what, privilege in await owner_connection.fetch(ACLS)
    }
    assert granted == set(documented_grants(tables))


async def test_memberships(owner_connection: asyncpg.Connection, names: Names) -> None:
    rows = await owner_connection.fetch(MEMBERSHIPS, list(names))
    found = {
        (names.get(member, member), names.get(role, role), option)
        for member, role, *given in rows
        # Other tenants' roles have this one's memberships, those of a new migration's scratch schema too.
        if all(each in names or not OF_TENANTS.match(each) for each in (member, role))
        for option, is_given in zip(("ADMIN", "INHERIT", "SET"), given, strict=True)
        if is_given
    }
    documented = {
        (member.strip("`"), of.strip("`"), option)
        for member, of, given in table_below("Member", "Of", "Options")
        for option in listed(given)
    }
    assert found == documented


async def test_attributes(owner_connection: asyncpg.Connection, names: Names) -> None:
    rows = await owner_connection.fetch(ATTRIBUTES, list(names))
    found = {names[role]: set(attributes) for role, attributes in rows}
    documented = {
        role.strip("`"): set(listed(attributes))
        for role, _, attributes in table_below("Role", "Who", "Attributes")
    }
    assert found == documented


async def test_functions_with_their_owners_rights(owner_connection: asyncpg.Connection) -> None:
    rows = await owner_connection.fetch(
        """
        SELECT proname, coalesce(proconfig::text LIKE '%search_path=%', false)
        FROM pg_catalog.pg_proc JOIN pg_catalog.pg_namespace n ON n.oid = pronamespace
        WHERE prosecdef AND nspname !~ '^(pg_|information_schema$)'
        """
    )
    text, _, _ = DOCUMENT.read_text().partition("(SECURITY DEFINER)")
    documented = re.findall(r"`(\w+)`", text.rpartition("\n\n")[2])
    # With a path of the caller's they would run the caller's functions.
    assert dict(rows) == dict.fromkeys(documented, True)


async def test_what_is_not_the_owners(owner_connection: asyncpg.Connection) -> None:
    owned_by_others = await owner_connection.fetch(
        """
        SELECT nspname || '.' || relname FROM pg_catalog.pg_class
        JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
        WHERE nspname IN ('public', 'tenant_acme') AND relowner <> current_user::regrole
        """
    )
    assert not owned_by_others
