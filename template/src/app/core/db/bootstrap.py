"""What exists before the first migration: two roles, a database, a schema. It takes CREATEROLE and CREATEDB alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import extensions, tenancy
from app.core.db.engine import create_admin_engine, owner_url
from app.core.settings import DatabaseSettings

_EXISTS: Final = {
    "role": text("SELECT true FROM pg_catalog.pg_roles WHERE rolname = :name"),
    "database": text("SELECT true FROM pg_catalog.pg_database WHERE datname = :name"),
}


async def prepare(settings: DatabaseSettings) -> list[str]:
    """Create what is missing of the roles, the database and the extensions, and return a line for each.

    Raises:
        ValueError: `DATABASE__ADMIN_URL` or `DATABASE__OWNER_URL` is not set.
    """
    login, owner = make_url(settings.url.get_secret_value()), owner_url(settings)
    async with _administrator(settings, database=None) as connection:
        made = [
            await _create_role(connection, owner, "LOGIN CREATEROLE"),
            await _create_role(connection, login, "LOGIN"),
            await _create_database(connection, login, owner),
        ]
    made += await prepare_extensions(settings)
    return [line for line in made if line]


async def prepare_extensions(settings: DatabaseSettings) -> list[str]:
    """Create the extensions that migrations name, and return a line for each that was missing.

    Raises:
        ValueError: `DATABASE__ADMIN_URL` or `DATABASE__OWNER_URL` is not set.
    """
    owner = owner_url(settings)
    async with _administrator(settings, database=owner.database) as connection:
        await _execute(
            connection, f"CREATE SCHEMA IF NOT EXISTS {tenancy.EXTENSIONS} AUTHORIZATION %I", owner
        )
        # Some managed servers have made it, and own it.
        await _execute(
            connection,
            f"GRANT USAGE, CREATE ON SCHEMA {tenancy.EXTENSIONS} TO %I WITH GRANT OPTION",
            owner,
        )
        made = await connection.run_sync(extensions.create_declared)
    return [f"extension {name}: created" for name in made]


async def _create_role(connection: AsyncConnection, url: URL, attributes: str) -> str:
    line = ""
    if not await connection.scalar(_EXISTS["role"], {"name": url.username}):
        await _execute(connection, f"CREATE ROLE %I {attributes} PASSWORD %L", url)
        line = f"role {url.username}: created"
    # Who has created a role administers it, and may neither become it nor give it anything before this.
    has = "SELECT pg_has_role(:name, 'USAGE') AND pg_has_role(:name, 'SET')"
    if not await connection.scalar(text(has), {"name": url.username}):
        await _execute(connection, "GRANT %I TO CURRENT_USER WITH INHERIT TRUE, SET TRUE", url)
    return line


async def _create_database(connection: AsyncConnection, login: URL, owner: URL) -> str:
    line = ""
    name = owner.database
    if not await connection.scalar(_EXISTS["database"], {"name": name}):
        await _execute(connection, "CREATE DATABASE %3$I OWNER %1$I", owner)
        line = f"database {name}: created"
    await _execute(connection, "REVOKE ALL ON DATABASE %3$I FROM PUBLIC", owner)
    await _execute(connection, "GRANT CONNECT ON DATABASE %3$I TO %1$I", login)
    # For whoever signs in as it by hand, or through a pooler.
    await _execute(
        connection,
        f"ALTER ROLE %1$I IN DATABASE %3$I SET search_path = {tenancy.EXTENSIONS}, pg_temp",
        login,
    )
    return line


async def _execute(connection: AsyncConnection, statement: str, url: URL) -> None:
    # The server quotes the names and the password: no such statement takes parameters.
    names = {"user": url.username, "password": url.password, "database": url.database}
    query = text(
        "SELECT format(:statement, CAST(:user AS text), CAST(:password AS text), CAST(:database AS text))"
    )
    sql = await connection.scalar(query, {"statement": statement} | names)
    await connection.exec_driver_sql(str(sql))


@asynccontextmanager
async def _administrator(
    settings: DatabaseSettings, database: str | None
) -> AsyncIterator[AsyncConnection]:
    engine = create_admin_engine(settings, database)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()
