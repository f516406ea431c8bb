"""A schema for PostgreSQL's extensions, on the path of every tenant: elsewhere their operators are not found."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "lobby_0006"
down_revision: str | None = "lobby_0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Those of earlier releases too: their processes run until they are replaced.
ENTER: Sequence[str] = (
    "admit_member(uuid, uuid, uuid, uuid, text, text, boolean)",
    "admit_member(uuid, uuid, uuid, uuid, text, text, boolean, text[])",
    "enter_tenant(uuid)",
    "enter_tenant(uuid, text[])",
)
BEFORE, AFTER = "'%I, pg_temp'", "'%I, extensions, pg_temp'"


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA IF NOT EXISTS extensions")
    _replace(BEFORE, AFTER)


def downgrade() -> None:
    """Undo."""
    # The schema stays: an administrator may have made it, and what is in it.
    _replace(AFTER, BEFORE)


def _replace(old: str, new: str) -> None:
    connection = op.get_bind()
    for function in ENTER:
        definition = sa.text("SELECT pg_get_functiondef(CAST(:name AS regprocedure))")
        body: str = connection.scalar(definition, {"name": f"public.{function}"})
        connection.exec_driver_sql(body.replace(old, new))
