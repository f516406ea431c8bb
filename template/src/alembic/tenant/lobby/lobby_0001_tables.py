"""The sample resource."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "lobby_0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = ("lobby",)
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("name", name=op.f("uq_projects_name")),
    )
    op.create_index("ix_projects_created_at_id", "projects", ["created_at", "id"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_table("projects")
