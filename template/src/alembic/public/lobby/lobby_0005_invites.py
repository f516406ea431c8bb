"""Invites can be declined, and are found by their address."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "lobby_0005"
down_revision: str | None = "lobby_0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

CONSTRAINT = "ck_tenant_invites_status"
BEFORE = "status IN ('pending', 'accepted', 'cancelled', 'expired')"
AFTER = "status IN ('pending', 'accepted', 'declined', 'cancelled', 'expired')"


def upgrade() -> None:
    """Apply."""
    _check(AFTER)
    op.create_index(
        "ix_tenant_invites_email",
        "tenant_invites",
        ["email"],
        unique=False,
        schema="public",
        postgresql_where=sa.text("status = 'pending'"),
    )


def downgrade() -> None:
    """Undo."""
    op.execute("UPDATE public.tenant_invites SET status = 'cancelled' WHERE status = 'declined'")
    op.drop_index("ix_tenant_invites_email", table_name="tenant_invites", schema="public")
    _check(BEFORE)


def _check(values: str) -> None:
    op.drop_constraint(op.f(CONSTRAINT), "tenant_invites", schema="public", type_="check")
    op.create_check_constraint(op.f(CONSTRAINT), "tenant_invites", values, schema="public")
