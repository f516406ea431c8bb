"""Which passwords were chosen before the address was proven: of those that exist, nobody knows it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "sign_in_0003"
down_revision: str | None = "sign_in_0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "users",
        sa.Column(
            "password_predates_proof", sa.Boolean(), server_default=sa.true(), nullable=False
        ),
        schema="public",
    )


def downgrade() -> None:
    """Undo."""
    op.drop_column("users", "password_predates_proof", schema="public")
