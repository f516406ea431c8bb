"""Admission asks whether the sign-in of a session lives, and whether the schema has the migrations of the code."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "lobby_0003"
down_revision: str | None = "lobby_0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# `admit_member` and `enter_tenant` of before stay, for processes of that release while they are replaced.

# Each refusal has an SQLSTATE of its own; app.core.db.admission maps them to problem documents. A schema without a list
# was not seen by `app migrate` since this revision: the comparison is NULL then, and nothing is refused.

# An assumed identity lives in its superuser's session; a derived session needs its sign-in's as well.
ADMIT_USER = """
CREATE OR REPLACE FUNCTION public.admit_user(
    p_user uuid, p_actor uuid, p_session uuid, p_superuser boolean, p_verified boolean
) RETURNS void LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
    is_superuser boolean;
    is_verified boolean;
BEGIN
    SELECT u.is_superuser, u.email_verified_at IS NOT NULL INTO is_superuser, is_verified
    FROM public.users u
    JOIN public.refresh_tokens s
      ON s.family_id = p_session AND s.spent_at IS NULL AND s.revoked_at IS NULL
     AND s.user_id = coalesce(p_actor, p_user) AND s.expires_at > now()
    JOIN public.users a ON a.id = s.user_id AND (p_actor IS NULL OR a.is_superuser)
    LEFT JOIN public.refresh_tokens r
      ON r.family_id = s.root_id AND r.spent_at IS NULL AND r.revoked_at IS NULL
     AND r.expires_at > now()
    WHERE u.id = p_user AND (s.root_id IS NULL OR r.id IS NOT NULL);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'not signed in' USING ERRCODE = 'LB001';
    ELSIF p_superuser AND NOT is_superuser THEN
        RAISE EXCEPTION 'no superuser' USING ERRCODE = 'LB002';
    ELSIF p_verified AND NOT is_verified THEN
        RAISE EXCEPTION 'e-mail address not verified' USING ERRCODE = 'LB003';
    END IF;
END $$
"""

ADMIT_MEMBER = """
CREATE FUNCTION public.admit_member(
    p_user uuid, p_actor uuid, p_session uuid, p_tenant uuid,
    p_role text, p_at_least text, p_enters boolean, p_heads text[]
) RETURNS void LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
    ranks CONSTANT text[] := ARRAY['member', 'admin', 'owner'];
    found_role text;
    found_status text;
    found_schema text;
    found_db_role text;
    found_migrations text[];
BEGIN
    SELECT m.role, t.status, t.schema_name, t.role_name, t.migrations
    INTO found_role, found_status, found_schema, found_db_role, found_migrations
    FROM public.users u
    JOIN public.refresh_tokens s
      ON s.family_id = p_session AND s.spent_at IS NULL AND s.revoked_at IS NULL
     AND s.user_id = coalesce(p_actor, p_user) AND s.expires_at > now()
    JOIN public.users a ON a.id = s.user_id AND (p_actor IS NULL OR a.is_superuser)
    LEFT JOIN public.refresh_tokens r
      ON r.family_id = s.root_id AND r.spent_at IS NULL AND r.revoked_at IS NULL
     AND r.expires_at > now()
    LEFT JOIN public.user_tenant_membership m ON m.user_id = u.id AND m.tenant_id = p_tenant
    LEFT JOIN public.tenants t ON t.id = m.tenant_id
    WHERE u.id = p_user AND (s.root_id IS NULL OR r.id IS NOT NULL);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'not signed in' USING ERRCODE = 'LB001';
    ELSIF found_role IS NULL THEN
        RAISE EXCEPTION 'no member' USING ERRCODE = 'LB004';
    ELSIF found_status IN ('pending', 'provisioning', 'failed') THEN
        RAISE EXCEPTION 'not ready' USING ERRCODE = 'LB005';
    ELSIF found_status = 'suspended' THEN
        RAISE EXCEPTION 'suspended' USING ERRCODE = 'LB006';
    ELSIF found_status <> 'ready' THEN
        RAISE EXCEPTION 'deleted' USING ERRCODE = 'LB007';
    ELSIF array_position(ranks, found_role) < array_position(ranks, p_at_least) THEN
        RAISE EXCEPTION 'role too low' USING ERRCODE = 'LB008';
    ELSIF found_role <> p_role THEN
        RAISE EXCEPTION '%', found_role USING ERRCODE = 'LB010';
    ELSIF p_enters AND NOT p_heads <@ found_migrations THEN
        RAISE EXCEPTION 'not migrated' USING ERRCODE = 'LB009';
    END IF;
    IF p_enters THEN
        PERFORM set_config('search_path', format('%I, pg_temp', found_schema), true),
                set_config('lobby.role', found_db_role, true),
                set_config('role', found_db_role, true);
    END IF;
END $$
"""

# For work outside requests; a tenant that is being deleted is closed here as well.
ENTER_TENANT = """
CREATE FUNCTION public.enter_tenant(p_tenant uuid, p_heads text[])
RETURNS void LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
    found_schema text;
    found_db_role text;
    found_migrations text[];
BEGIN
    SELECT t.schema_name, t.role_name, t.migrations
    INTO found_schema, found_db_role, found_migrations
    FROM public.tenants t WHERE t.id = p_tenant AND t.status IN ('ready', 'suspended');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such tenant' USING ERRCODE = 'LB004';
    ELSIF NOT p_heads <@ found_migrations THEN
        RAISE EXCEPTION 'not migrated' USING ERRCODE = 'LB009';
    END IF;
    PERFORM set_config('search_path', format('%I, pg_temp', found_schema), true),
            set_config('lobby.role', found_db_role, true),
            set_config('role', found_db_role, true);
END $$
"""

# What the functions ask beyond those of `lobby_0002`.
SIGN_IN = """\
    LEFT JOIN public.refresh_tokens r
      ON r.family_id = s.root_id AND r.spent_at IS NULL AND r.revoked_at IS NULL
     AND r.expires_at > now()
"""
SIGN_IN_LIVES = " AND (s.root_id IS NULL OR r.id IS NOT NULL)"

FUNCTIONS = (
    "admit_member(uuid, uuid, uuid, uuid, text, text, boolean, text[])",
    "enter_tenant(uuid, text[])",
)


def upgrade() -> None:
    """Apply."""
    op.add_column("refresh_tokens", sa.Column("root_id", sa.Uuid(), nullable=True), schema="public")
    op.add_column(
        "tenants",
        sa.Column("migrations", postgresql.ARRAY(sa.Text()), nullable=True),
        schema="public",
    )
    for statement in (ADMIT_USER, ADMIT_MEMBER, ENTER_TENANT):
        op.execute(statement)
    for function in FUNCTIONS:
        op.execute(f"REVOKE EXECUTE ON FUNCTION public.{function} FROM PUBLIC")


def downgrade() -> None:
    """Undo."""
    op.execute(ADMIT_USER.replace(SIGN_IN, "").replace(SIGN_IN_LIVES, ""))
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION public.{function}")
    op.drop_column("tenants", "migrations", schema="public")
    op.drop_column("refresh_tokens", "root_id", schema="public")
