"""The lobby's tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "lobby_0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = ("lobby",)
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_logs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("assumed_by", sa.Uuid(), nullable=True),
        sa.Column("entity_type", sa.String(length=64), nullable=False),
        sa.Column("entity_id", sa.String(length=64), nullable=False),
        sa.Column("ip_address", sa.String(length=45), nullable=True),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_logs")),
        schema="public",
    )
    op.create_index(
        "ix_audit_logs_entity",
        "audit_logs",
        ["tenant_id", "entity_type", "entity_id", "occurred_at", "id"],
        unique=False,
        schema="public",
    )
    op.create_index(
        "ix_audit_logs_tenant_id",
        "audit_logs",
        ["tenant_id", "occurred_at", "id"],
        unique=False,
        schema="public",
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
        schema="public",
    )
    op.execute(
        "INSERT INTO public.installation (id) VALUES (left(replace(gen_random_uuid()::text, '-', ''), 8))"
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("full_name", sa.String(length=200), nullable=False),
        sa.Column("email_verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_superuser", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "email = lower(btrim(email)) AND email LIKE '%_@_%'", name=op.f("ck_users_email")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        schema="public",
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(length=56), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("schema_name", sa.String(length=63), nullable=False),
        sa.Column("role_name", sa.String(length=63), nullable=False),
        sa.Column(
            "metadata",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delete_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "slug ~ '^[a-z0-9]+([-_][a-z0-9]+)*$' AND length(slug) <= 56 AND replace(slug, '-', '') !~ '^[0-9a-f]{32}$'",
            name=op.f("ck_tenants_slug"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'provisioning', 'ready', 'failed', 'suspended', 'deleting', 'deleted')",
            name=op.f("ck_tenants_status"),
        ),
        sa.CheckConstraint("length(schema_name) <= 63", name=op.f("ck_tenants_schema_name")),
        sa.ForeignKeyConstraint(
            ["created_by"],
            ["public.users.id"],
            name=op.f("fk_tenants_created_by"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("role_name", name=op.f("uq_tenants_role_name")),
        schema="public",
    )
    op.create_index(
        "uq_tenants_schema_name",
        "tenants",
        ["schema_name"],
        unique=True,
        schema="public",
        postgresql_where=sa.text("status <> 'deleted'"),
    )
    op.create_index(
        "uq_tenants_slug",
        "tenants",
        [sa.literal_column("replace(slug, '-', '_')")],
        unique=True,
        schema="public",
        postgresql_where=sa.text("status <> 'deleted'"),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("ip_address", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=255), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("session_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["public.tenants.id"],
            name=op.f("fk_refresh_tokens_tenant_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["public.users.id"],
            name=op.f("fk_refresh_tokens_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_refresh_tokens_token_hash")),
        schema="public",
    )
    op.create_index(
        "ix_refresh_tokens_expires_at",
        "refresh_tokens",
        ["expires_at"],
        unique=False,
        schema="public",
    )
    op.create_index(
        "ix_refresh_tokens_user_id",
        "refresh_tokens",
        ["user_id"],
        unique=False,
        schema="public",
        postgresql_where=sa.text("spent_at IS NULL AND revoked_at IS NULL"),
    )
    op.create_index(
        "uq_refresh_tokens_live",
        "refresh_tokens",
        ["family_id"],
        unique=True,
        schema="public",
        postgresql_where=sa.text("spent_at IS NULL AND revoked_at IS NULL"),
    )
    op.create_table(
        "tenant_invites",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("invited_by", sa.Uuid(), nullable=True),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "email = lower(btrim(email)) AND email LIKE '%_@_%'",
            name=op.f("ck_tenant_invites_email"),
        ),
        sa.CheckConstraint(
            "role IN ('owner', 'admin', 'member')", name=op.f("ck_tenant_invites_role")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'accepted', 'cancelled', 'expired')",
            name=op.f("ck_tenant_invites_status"),
        ),
        sa.ForeignKeyConstraint(
            ["accepted_by"],
            ["public.users.id"],
            name=op.f("fk_tenant_invites_accepted_by"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["invited_by"],
            ["public.users.id"],
            name=op.f("fk_tenant_invites_invited_by"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["public.tenants.id"],
            name=op.f("fk_tenant_invites_tenant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant_invites")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_tenant_invites_token_hash")),
        schema="public",
    )
    op.create_index(
        "ix_tenant_invites_tenant_id",
        "tenant_invites",
        ["tenant_id", "id"],
        unique=False,
        schema="public",
    )
    op.create_index(
        "uq_tenant_invites_pending",
        "tenant_invites",
        ["tenant_id", "email"],
        unique=True,
        schema="public",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "user_tenant_membership",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "role IN ('owner', 'admin', 'member')", name=op.f("ck_user_tenant_membership_role")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["public.tenants.id"],
            name=op.f("fk_user_tenant_membership_tenant_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["public.users.id"],
            name=op.f("fk_user_tenant_membership_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name=op.f("pk_user_tenant_membership")),
        schema="public",
    )
    op.create_index(
        "ix_user_tenant_membership_user_id",
        "user_tenant_membership",
        ["user_id"],
        unique=False,
        schema="public",
    )
    op.create_table(
        "workflow_executions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column(
            "payload",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('provision_tenant', 'delete_tenant', 'send_email', 'clean_up')",
            name=op.f("ck_workflow_executions_kind"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'completed', 'failed', 'cancelled')",
            name=op.f("ck_workflow_executions_status"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["public.tenants.id"],
            name=op.f("fk_workflow_executions_tenant_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["public.users.id"],
            name=op.f("fk_workflow_executions_user_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflow_executions")),
        schema="public",
    )
    op.create_index(
        "ix_workflow_executions_open",
        "workflow_executions",
        ["status", "id"],
        unique=False,
        schema="public",
        postgresql_where=sa.text("status IN ('pending', 'running')"),
    )
    op.create_index(
        "ix_workflow_executions_tenant_id",
        "workflow_executions",
        ["tenant_id", "id"],
        unique=False,
        schema="public",
    )
    op.create_index(
        "uq_workflow_executions_active",
        "workflow_executions",
        ["kind", "tenant_id"],
        unique=True,
        schema="public",
        postgresql_where=sa.text(
            "status IN ('pending', 'running') AND kind IN ('provision_tenant', 'delete_tenant')"
        ),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("workflow_executions", schema="public")
    op.drop_table("user_tenant_membership", schema="public")
    op.drop_table("tenant_invites", schema="public")
    op.drop_table("refresh_tokens", schema="public")
    op.drop_table("tenants", schema="public")
    op.drop_table("users", schema="public")
    op.drop_table("installation", schema="public")
    op.drop_table("audit_logs", schema="public")
