"""Who carries out which execution, and an announcement of each that is requested."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "inline_0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = ("inline",)
depends_on: str | Sequence[str] | None = "lobby_0001"

# Arrives when the transaction that wrote the row has committed, and once for several rows of it.
ANNOUNCE = """
CREATE FUNCTION public.announce_execution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('workflow_executions', '');
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "workflow_claims",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["execution_id"],
            ["public.workflow_executions.id"],
            name=op.f("fk_workflow_claims_execution_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("execution_id", name=op.f("pk_workflow_claims")),
        schema="public",
    )
    op.execute(ANNOUNCE)
    op.execute("REVOKE EXECUTE ON FUNCTION public.announce_execution() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER announce_execution AFTER INSERT ON public.workflow_executions"
        " FOR EACH STATEMENT EXECUTE FUNCTION public.announce_execution()"
    )


def downgrade() -> None:
    """Undo."""
    op.execute("DROP TRIGGER announce_execution ON public.workflow_executions")
    op.execute("DROP FUNCTION public.announce_execution()")
    op.drop_table("workflow_claims", schema="public")
