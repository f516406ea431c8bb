"""Admission, tenant states and the audit trail: the rules that hold whoever writes SQL."""

from collections.abc import Sequence

from alembic import op

revision: str = "lobby_0002"
down_revision: str | None = "lobby_0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Each refusal has an SQLSTATE of its own; app.core.db.admission maps them to problem documents.

# The session is the family's one live refresh token. An assumed identity lives in its superuser's session.
ADMIT_USER = """
CREATE FUNCTION public.admit_user(
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
    WHERE u.id = p_user;
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
    p_role text, p_at_least text, p_enters boolean
) RETURNS void LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
    ranks CONSTANT text[] := ARRAY['member', 'admin', 'owner'];
    found_role text;
    found_status text;
    found_schema text;
    found_db_role text;
BEGIN
    SELECT m.role, t.status, t.schema_name, t.role_name
    INTO found_role, found_status, found_schema, found_db_role
    FROM public.users u
    JOIN public.refresh_tokens s
      ON s.family_id = p_session AND s.spent_at IS NULL AND s.revoked_at IS NULL
     AND s.user_id = coalesce(p_actor, p_user) AND s.expires_at > now()
    JOIN public.users a ON a.id = s.user_id AND (p_actor IS NULL OR a.is_superuser)
    LEFT JOIN public.user_tenant_membership m ON m.user_id = u.id AND m.tenant_id = p_tenant
    LEFT JOIN public.tenants t ON t.id = m.tenant_id
    WHERE u.id = p_user;
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
    END IF;
    IF p_enters THEN
        PERFORM set_config('search_path', format('%I, pg_temp', found_schema), true),
                set_config('lobby.role', found_db_role, true),
                set_config('role', found_db_role, true);
    END IF;
END $$
"""

# For work outside requests; `now()` decides, so a tenant that is being deleted is closed here as well.
ENTER_TENANT = """
CREATE FUNCTION public.enter_tenant(p_tenant uuid)
RETURNS void LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
    found_schema text;
    found_db_role text;
BEGIN
    SELECT t.schema_name, t.role_name INTO found_schema, found_db_role
    FROM public.tenants t WHERE t.id = p_tenant AND t.status IN ('ready', 'suspended');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such tenant' USING ERRCODE = 'LB004';
    END IF;
    PERFORM set_config('search_path', format('%I, pg_temp', found_schema), true),
            set_config('lobby.role', found_db_role, true),
            set_config('role', found_db_role, true);
END $$
"""

NAME_ROLE = """
CREATE FUNCTION public.name_tenant_role() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.role_name := format(
        'lobby_%s_%s', (SELECT id FROM public.installation), replace(NEW.id::text, '-', '')
    );
    RETURN NEW;
END $$
"""

GUARD_TENANT = """
CREATE FUNCTION public.guard_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.schema_name <> OLD.schema_name OR NEW.role_name <> OLD.role_name THEN
        RAISE EXCEPTION 'the schema and the role of a tenant never change'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_tenants_fixed_names';
    ELSIF NEW.status <> OLD.status AND NOT (OLD.status, NEW.status) IN (
        ('pending', 'provisioning'), ('pending', 'deleted'),
        ('provisioning', 'ready'), ('provisioning', 'failed'),
        ('failed', 'provisioning'), ('failed', 'deleting'),
        ('ready', 'suspended'), ('ready', 'deleting'),
        ('suspended', 'ready'), ('suspended', 'deleting'),
        ('deleting', 'ready'), ('deleting', 'suspended'), ('deleting', 'deleted')
    ) THEN
        RAISE EXCEPTION 'a tenant cannot go from % to %', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_tenants_transition';
    END IF;
    RETURN NEW;
END $$
"""

# Runs with the owner's rights, because a tenant's role has none in the lobby. That role decides the tenant then:
# what the caller says about it only has to agree.
RECORD_AUDIT = """
CREATE FUNCTION public.record_audit(
    p_id uuid, p_action text, p_tenant uuid, p_user uuid, p_assumed_by uuid,
    p_entity_type text, p_entity_id text, p_ip_address text, p_request_id text,
    p_before jsonb, p_after jsonb
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('role') <> 'none' AND NOT EXISTS (
        SELECT FROM public.tenants WHERE id = p_tenant AND role_name = current_setting('role')
    ) THEN
        RAISE EXCEPTION 'an audit row of another tenant' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO public.audit_logs (
        id, occurred_at, action, tenant_id, user_id, assumed_by, entity_type, entity_id,
        ip_address, request_id, before, after
    ) VALUES (
        p_id, now(), p_action, p_tenant, p_user, p_assumed_by, p_entity_type, p_entity_id,
        p_ip_address, p_request_id, p_before, p_after
    );
END $$
"""

FUNCTIONS = (
    "admit_user(uuid, uuid, uuid, boolean, boolean)",
    "admit_member(uuid, uuid, uuid, uuid, text, text, boolean)",
    "enter_tenant(uuid)",
    "record_audit(uuid, text, uuid, uuid, uuid, text, text, text, text, jsonb, jsonb)",
    "name_tenant_role()",
    "guard_tenant()",
)


def upgrade() -> None:
    """Apply."""
    for statement in (
        ADMIT_USER,
        ADMIT_MEMBER,
        ENTER_TENANT,
        NAME_ROLE,
        GUARD_TENANT,
        RECORD_AUDIT,
    ):
        op.execute(statement)
    for function in FUNCTIONS:
        op.execute(f"REVOKE EXECUTE ON FUNCTION public.{function} FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER name_tenant_role BEFORE INSERT ON public.tenants"
        " FOR EACH ROW EXECUTE FUNCTION public.name_tenant_role()"
    )
    op.execute(
        "CREATE TRIGGER guard_tenant BEFORE UPDATE ON public.tenants"
        " FOR EACH ROW EXECUTE FUNCTION public.guard_tenant()"
    )


def downgrade() -> None:
    """Undo."""
    op.execute("DROP TRIGGER guard_tenant ON public.tenants")
    op.execute("DROP TRIGGER name_tenant_role ON public.tenants")
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION public.{function}")
