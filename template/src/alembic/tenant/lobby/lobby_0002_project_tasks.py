"""Tasks of projects, of the sample resource."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "lobby_0002"
down_revision: str | None = "lobby_0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    if not sa.inspect(op.get_bind()).has_table("projects"):
        # Dropped by a migration of the service's own.
        return
    op.create_table(
        "project_tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_tasks_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_tasks")),
    )
    op.create_index(
        "ix_project_tasks_project_id_created_at_id",
        "project_tasks",
        ["project_id", "created_at", "id"],
        unique=False,
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("project_tasks", if_exists=True)
