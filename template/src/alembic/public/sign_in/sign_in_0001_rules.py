"""Tenants that require the identity provider, and the sessions that it vouches for."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "sign_in_0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = ("sign_in",)
depends_on: str | Sequence[str] | None = "lobby_0001"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "vouched_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["public.users.id"],
            name=op.f("fk_vouched_sessions_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vouched_sessions")),
        schema="public",
    )
    op.create_index(
        "ix_vouched_sessions_expires_at",
        "vouched_sessions",
        ["expires_at"],
        unique=False,
        schema="public",
    )
    op.create_table(
        "tenant_sign_in_rules",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("requires_provider", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["public.tenants.id"],
            name=op.f("fk_tenant_sign_in_rules_tenant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenant_sign_in_rules")),
        schema="public",
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("tenant_sign_in_rules", schema="public")
    op.drop_table("vouched_sessions", schema="public")
