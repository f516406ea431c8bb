"""What the application's role may do in the lobby. docs/security.md lists it; a test compares the two."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import tenancy
from app.core.settings import DatabaseSettings

READ_ONLY_TABLES: Final = ("alembic_version", "audit_logs", "installation")
"""Audit rows are added through `record_audit` alone."""

LOGIN_FUNCTIONS: Final = (
    "admit_user(uuid, uuid, uuid, boolean, boolean)",
    "admit_member(uuid, uuid, uuid, uuid, text, text, boolean, text[])",
    "enter_tenant(uuid, text[])",
)
AUDIT_FUNCTION: Final = (
    "record_audit(uuid, text, uuid, uuid, uuid, text, text, text, text, jsonb, jsonb)"
)


def login_role(settings: DatabaseSettings) -> str:
    """Return the name of the role that the application logs in as."""
    name = make_url(settings.url.get_secret_value()).username
    if not name:
        raise ValueError("DATABASE__URL names no user; the application's role must be known.")
    return name


async def grant_lobby(connection: AsyncConnection, settings: DatabaseSettings) -> None:
    """Give the application's role its rights in the lobby, and take all others away.

    Tables that later migrations add to the lobby get the same rights by default.
    """
    login = '"' + login_role(settings).replace('"', '""') + '"'
    group = tenancy.quoted(await tenancy.create_tenants_group(connection))
    database = await connection.scalar(text("SELECT quote_ident(current_database())"))
    statements = [
        f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public TO {login}, {group}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {login}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {login}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public"
        f" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {login}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {login}",
        *(f"REVOKE INSERT, UPDATE, DELETE ON public.{t} FROM {login}" for t in READ_ONLY_TABLES),
        *(f"GRANT EXECUTE ON FUNCTION public.{f} TO {login}" for f in LOGIN_FUNCTIONS),
        f"GRANT EXECUTE ON FUNCTION public.{AUDIT_FUNCTION} TO {login}, {group}",
    ]
    for statement in statements:
        await connection.execute(text(statement))
