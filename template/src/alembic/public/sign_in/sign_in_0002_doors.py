"""A tenant that requires the identity provider, asked in one place by every way in."""

from collections.abc import Sequence

from alembic import op

revision: str = "sign_in_0002"
down_revision: str | None = "sign_in_0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = "lobby_0003"

PROVIDER_REQUIRED = """
CREATE FUNCTION public.provider_required(p_tenant uuid, p_session uuid)
RETURNS boolean LANGUAGE sql STABLE SECURITY INVOKER AS $$
    SELECT EXISTS (
        SELECT FROM public.tenant_sign_in_rules r
        LEFT JOIN public.vouched_sessions v ON v.id = p_session
        WHERE r.tenant_id = p_tenant AND r.requires_provider AND v.id IS NULL
    )
$$
"""

# Asked before the transaction gets the tenant's role, which has no rights in the lobby; answered after all that
# `admit_member` refuses.
ADMIT_VOUCHED_MEMBER = """
CREATE FUNCTION public.admit_vouched_member(
    p_user uuid, p_actor uuid, p_session uuid, p_tenant uuid,
    p_role text, p_at_least text, p_enters boolean, p_heads text[]
) RETURNS void LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
    is_closed CONSTANT boolean := public.provider_required(p_tenant, p_session);
BEGIN
    PERFORM public.admit_member(
        p_user, p_actor, p_session, p_tenant, p_role, p_at_least, p_enters, p_heads
    );
    IF is_closed THEN
        RAISE EXCEPTION 'provider required' USING ERRCODE = 'LB020';
    END IF;
END $$
"""

FUNCTIONS = (
    "provider_required(uuid, uuid)",
    "admit_vouched_member(uuid, uuid, uuid, uuid, text, text, boolean, text[])",
)


def upgrade() -> None:
    """Apply."""
    op.execute(PROVIDER_REQUIRED)
    op.execute(ADMIT_VOUCHED_MEMBER)
    for function in FUNCTIONS:
        op.execute(f"REVOKE EXECUTE ON FUNCTION public.{function} FROM PUBLIC")


def downgrade() -> None:
    """Undo."""
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION public.{function}")
