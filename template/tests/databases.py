"""PostgreSQL for the tests: one migrated template database, and a clone of it for each worker.

Tests commit for real. In one outer transaction that is rolled back, `SET LOCAL` would outlive a savepoint and hide a
forgotten tenant.
"""

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.db import bootstrap, migrations, privileges, tenancy
from app.core.db.engine import create_owner_engine
from app.core.identifiers import uuid7
from app.core.settings import DatabaseSettings
from app.models.trees import public_tree, tenant_tree
from tests.patience import PATIENCE

OWNER, LOGIN, PASSWORD = "lobby_test_owner", "lobby_test_app", "lobby-test"
STANDING = ("acme", "globex")
"""Tenants that every database has, ready, without data."""

_LOCK = 7_003_001
_ROOT = Path(__file__).parents[1]


def settings_for(admin_url: str, database: str) -> DatabaseSettings:
    """Return the settings of a service that uses `database`."""
    return DatabaseSettings.model_validate(
        {
            "url": _url(admin_url, LOGIN, database),
            "owner_url": _url(admin_url, OWNER, database),
        }
    )


def patient_settings_for(admin_url: str, database: str) -> DatabaseSettings:
    """Return those of a service in a test's process, where no statement fails because the machine is busy."""
    limits = dict.fromkeys(("pool_timeout", "lock_timeout", "statement_timeout"), PATIENCE)
    return settings_for(admin_url, database).model_copy(update=limits)


async def clone(admin_url: str, name: str) -> None:
    """Make the database `name` as a copy of the template, which is made first if it is missing."""
    async with _administration(admin_url) as connection:
        template = await _template(admin_url, connection)
        # Copied as files, it costs less than half of what it costs page by page.
        await connection.execute(
            f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY OWNER {OWNER}'
        )
        # The one right of `grant_lobby` that belongs to the database and is not copied with it.
        await connection.execute(f'REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC')


async def drop(admin_url: str, name: str) -> None:
    """Drop the database `name`, whoever is still connected, and the roles that it alone uses."""
    async with _administration(admin_url) as connection:
        roles = await _tenant_roles(admin_url, name)
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        for role in roles:
            # Clones of one template share its standing tenants; another process may be dropping the same role.
            with suppress(asyncpg.DependentObjectsStillExistError, asyncpg.InternalServerError):
                await connection.execute(f'DROP ROLE IF EXISTS "{role}"')


async def _tenant_roles(admin_url: str, name: str) -> list[str]:
    url = make_url(admin_url).set(database=name).render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    try:
        if not await connection.fetchval("SELECT to_regclass('public.tenants') IS NOT NULL"):
            return []
        rows = await connection.fetch(
            "SELECT role_name FROM public.tenants"
            " UNION ALL SELECT format('lobby_%s_tenants', id) FROM public.installation"
        )
        return [row[0] for row in rows]
    finally:
        await connection.close()


@asynccontextmanager
async def _administration(admin_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(admin_url)
    try:
        # One at a time: a template cannot be copied while somebody is connected to it.
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        yield connection
    finally:
        await connection.close()


async def _template(admin_url: str, connection: asyncpg.Connection) -> str:
    name = f"lobby_test_{_fingerprint()}"
    if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
        return name
    building = f"{name}_{secrets.token_hex(4)}"
    settings = settings_for(admin_url, building)
    await bootstrap.prepare(settings.model_copy(update={"admin_url": SecretStr(admin_url)}))
    await _migrate(settings)
    await connection.execute(f'ALTER DATABASE "{building}" RENAME TO "{name}"')
    return name


async def _migrate(settings: DatabaseSettings) -> None:
    engine = create_owner_engine(settings)
    await migrations.upgrade(engine, public_tree())
    async with engine.begin() as connection:
        await privileges.grant_lobby(connection, settings)
    for slug in STANDING:
        await _provision(engine, settings, slug)
    await engine.dispose()


async def _provision(engine: AsyncEngine, settings: DatabaseSettings, slug: str) -> None:
    schema = tenancy.schema_name(slug)
    async with engine.begin() as connection:
        role = await connection.scalar(
            text(
                "INSERT INTO public.tenants (id, slug, name, status, schema_name, created_at, updated_at)"
                " VALUES (:id, :slug, :name, 'provisioning', :schema, now(), now()) RETURNING role_name"
            ),
            {"id": uuid7(), "slug": slug, "name": slug.title(), "schema": schema},
        )
        login = privileges.login_role(settings)
        await tenancy.create_tenant_schema(connection, schema=schema, role=role, login=login)
    await migrations.upgrade(engine, tenant_tree(), schema=schema)
    async with engine.begin() as connection:
        await tenancy.protect_version_table(connection, schema=schema, role=role)
        await migrations.record(connection, tenant_tree(), schema)
        await connection.execute(
            text("UPDATE public.tenants SET status = 'ready' WHERE slug = :s"), {"s": slug}
        )


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for folder in ("src/alembic", "src/app/models", "src/app/core/db"):
        for path in sorted((_ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _url(admin_url: str, role: str, database: str) -> str:
    url: URL = make_url(admin_url).set(username=role, password=PASSWORD, database=database)
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
